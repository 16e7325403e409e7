// Both ends, one after the other. Input: what a server sends, to a client whose hello was 4b 43 4f 4d 35 aa bb cc.
//
// Invariant: a message and data have one encoding. The bytes that a client accepts are those that a server sends for
// the same content. A client accepts all bytes that a server sends, and returns the same content. Outcomes: done at
// both ends, or at the server `message-not-utf8`; for the input itself, those of the client target.
#include "oracle.hpp"

using namespace kcom5_fuzz;

namespace {

/// Gives a server the content and the hello. *Returns* its result.
kcom5_result served(const kcom5_octets& message, const kcom5_octets& data) {
  const kcom5_setting setting = {{}, 0, 0, message, data, 0};
  kcom5_reset(KCOM5_SERVER, &setting);
  kcom5_feed(KCOM5_SERVER, KCOM5_OCTETS, hello, sizeof hello);
  return outcome(KCOM5_SERVER);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  kcom5_reset(KCOM5_CLIENT, &client_setting);
  kcom5_feed(KCOM5_CLIENT, KCOM5_OCTETS, octets, size);
  kcom5_result client = outcome(KCOM5_CLIENT);
  progress(client);
  if (client.done) {
    const kcom5_result server = served(client.message, client.data);
    require(!server.error, "message.utf8", "a message was received that cannot be sent");
    require(client.consumed <= size && same(server.sent, octets, static_cast<std::size_t>(client.consumed)),
            "frame.order", "the accepted bytes are not those that a server sends");
  }

  const Content given = content_of(octets, size);
  const kcom5_result server = served(given.message, given.data);
  if (!is_text(given.message.at, given.message.size)) {
    require(same(server.error, "message-not-utf8"), "message.utf8", "an ill-formed message is not refused");
    require(server.sent.size == 0 && !server.done, "message.utf8", "a message that was refused is sent");
    return 0;
  }
  require(!server.error, "message.utf8", "a well-formed message is refused");
  kcom5_reset(KCOM5_CLIENT, &client_setting);
  kcom5_feed(KCOM5_CLIENT, KCOM5_OCTETS, server.sent.at, server.sent.size);
  client = outcome(KCOM5_CLIENT);
  require(client.done && client.consumed == server.sent.size, "data.end", "the bytes of a server are not accepted");
  require(same(client.message, given.message.at, given.message.size), "message.length", "the message differs");
  require(same(client.data, given.data.at, given.data.size), "data.opaque", "the data differs");
  return 0;
}
