// A client and a server over a hostile pipe. Input: the bytes of a server. Its message and data are given to the
// server, and a hash of it decides what the pipe does.
//
// The pipe cuts the bytes anywhere. It may also stop either direction early (with an end, a reset or silence), or
// change a byte of the hello or of the echo. It does not change the frame, because the protocol does not detect that.
// Invariant: without harm both succeed, with equal content. With harm both fail with an error.
// Neither is stuck. A done client has the content that was given. Outcomes: done at both ends; server:
// `message-not-utf8`, `invalid-connection`, `timeout`, `unconfirmed`; client: `invalid-connection`, `truncated`,
// `timeout`.
#include "oracle.hpp"

using namespace kcom5_fuzz;

namespace {

constexpr kcom5_event ends[] = {KCOM5_END, KCOM5_RESET, KCOM5_TIMEOUT};

/// Feeds the bytes in two pieces.
void carry(kcom5_role role, const std::uint8_t* octets, std::size_t size, Choices& choices) {
  if (size == 0) return;
  const std::size_t cut = choices.up_to(size);
  if (cut > 0) kcom5_feed(role, KCOM5_OCTETS, octets, cut);
  if (cut < size) kcom5_feed(role, KCOM5_OCTETS, octets + cut, size - cut);
}

bool has_ended(const kcom5_result& result) { return (result.done == 1) != (result.error != nullptr); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  Choices choices{octets, size};
  const Content given = content_of(octets, size);
  kcom5_setting setting = {{}, message_limit, data_limit, given.message, given.data, 0};
  for (std::uint8_t& octet : setting.nonce) octet = static_cast<std::uint8_t>(choices.up_to(255));
  kcom5_reset(KCOM5_SERVER, &setting);
  if (outcome(KCOM5_SERVER).error) {
    require(!is_text(given.message.at, given.message.size), "message.utf8", "a well-formed message is refused");
    return 0;
  }
  kcom5_reset(KCOM5_CLIENT, &setting);

  // To the server.
  std::uint8_t sent[8];
  {
    const kcom5_result client = outcome(KCOM5_CLIENT);
    require(client.sent.size == sizeof sent, "hello.form", "a hello is eight octets");
    std::memcpy(sent, client.sent.at, sizeof sent);
  }
  enum Harm { none, stop_hello, change_hello, stop_frame, change_echo };
  constexpr Harm harms[] = {none, none, none, none, stop_hello, change_hello, stop_frame, change_echo};
  const Harm harm = harms[choices.up_to(7)];
  const kcom5_event end = ends[choices.up_to(2)];
  if (harm == change_hello) sent[choices.up_to(7)] ^= static_cast<std::uint8_t>(1 << choices.up_to(7));
  carry(KCOM5_SERVER, sent, harm == stop_hello ? choices.up_to(7) : sizeof sent, choices);
  const bool is_half_closed = harm != stop_hello && choices.up_to(3) == 0;
  if (harm == stop_hello) kcom5_feed(KCOM5_SERVER, end, nullptr, 0);
  if (is_half_closed) kcom5_feed(KCOM5_SERVER, KCOM5_END, nullptr, 0);
  kcom5_feed(KCOM5_SERVER, KCOM5_SENT, nullptr, 0);

  // To the client.
  const kcom5_result server = outcome(KCOM5_SERVER);
  std::size_t count = server.sent.size;
  require((count == 0) == (harm == stop_hello || (harm == change_hello && std::memcmp(sent, hello, 5) != 0)),
          "hello.reject", "it answered a wrong hello, or did not answer a right one");
  if (count > 0 && harm == change_echo) {
    std::memcpy(sent, server.sent.at, sizeof sent);
    sent[choices.up_to(7)] ^= static_cast<std::uint8_t>(1 << choices.up_to(7));
    carry(KCOM5_CLIENT, sent, sizeof sent, choices);
    carry(KCOM5_CLIENT, server.sent.at + sizeof sent, count - sizeof sent, choices);
  } else {
    if (count > 0 && harm == stop_frame) count = choices.up_to(count - 1);
    carry(KCOM5_CLIENT, server.sent.at, count, choices);
  }
  kcom5_feed(KCOM5_CLIENT, harm == none ? KCOM5_END : end, nullptr, 0);
  const kcom5_result client = outcome(KCOM5_CLIENT);
  require(has_ended(client), "result.class", "the client is stuck, or done and failed");
  require((harm == none) == client.done, "data.truncated", "it is done after harm, or failed without");
  if (client.done) {
    require(same(client.message, given.message.at, given.message.size), "message.length", "the message differs");
    require(same(client.data, given.data.at, given.data.size), "data.opaque", "the data differs");
  }

  // A client that is done closes; one that failed resets. After an early half-close only the acknowledgement shows that
  // it took everything.
  const kcom5_event taken = is_half_closed ? KCOM5_ACKNOWLEDGED : KCOM5_END;
  kcom5_feed(KCOM5_SERVER, client.done ? taken : KCOM5_RESET, nullptr, 0);
  const kcom5_result last = outcome(KCOM5_SERVER);
  require(has_ended(last), "close.confirm", "the server is stuck, or done and failed");
  require(last.done == client.done, "close.confirm", "the server does not know how the client ended");
  return 0;
}
