// The client's exchange. Input: what a server sends, echo and frame; the hello was 4b 43 4f 4d 35 aa bb cc.
//
// Invariant: after every piece of any cut, the client has consumed as much, decided as much, and decided the same as
// the spec says of those octets; it sends its hello and nothing else; an end, a reset or the time ends it by the state
// tables; it sets aside no more than a multiple of what was fed (`limit.memory`).
// Outcomes: done, `invalid-connection`, `over-limit`, `malformed-message`, `truncated`, `timeout`.
#include "oracle.hpp"

using namespace kcom5_fuzz;

namespace {

/// The client has been fed `fed` octets of those that `judgement` is about.
void check(const Judgement& judgement, std::size_t fed) {
  const kcom5_result result = outcome(KCOM5_CLIENT);
  const bool is_decided = judgement.is_decided && fed >= judgement.at;
  require(result.consumed == std::min(fed, judgement.at), "frame.segments", "another offset");
  require(same(result.error, is_decided ? judgement.error : nullptr), "result.class", "another error");
  require(result.done == (is_decided && !judgement.error), "result.sync", "done too early, too late or never");
}

/// The last that happens. Nothing changes what was decided.
void finish(const Judgement& judgement, kcom5_event event) {
  kcom5_feed(KCOM5_CLIENT, event, nullptr, 0);
  const kcom5_result result = outcome(KCOM5_CLIENT);
  const char* const error = judgement.is_decided ? judgement.error : interrupted(event, judgement.at);
  require(same(result.error, error), "data.truncated", "another error at the end");
  require(result.done == !error, "data.end", "done and failed, or neither");
  require(result.consumed == judgement.at, "data.end", "another offset at the end");
  require(same(result.sent, hello, sizeof hello), "hello.form", "something else was sent");
  if (!result.done) {
    require(result.message.size == 0 && result.data.size == 0, "data.truncated", "delivered in spite of the error");
    return;
  }
  require(same(result.message, judgement.message, judgement.message_size), "message.length", "another message");
  require(same(result.data, judgement.data, judgement.data_size), "data.opaque", "other data");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  const Judgement judgement = judge(octets, size);
  Choices choices{octets, size};

  const std::uint64_t before = allocated();
  kcom5_reset(KCOM5_CLIENT, &client_setting);
  kcom5_feed(KCOM5_CLIENT, KCOM5_OCTETS, octets, size);
  check(judgement, size);
  progress(outcome(KCOM5_CLIENT));
  finish(judgement, KCOM5_END);

  kcom5_reset(KCOM5_CLIENT, &client_setting);
  const std::size_t second = choices.up_to(size);
  const std::size_t first = choices.up_to(second);
  feed_piece(KCOM5_CLIENT, octets, size, 0, first);
  check(judgement, first);
  feed_piece(KCOM5_CLIENT, octets, size, first, second);
  check(judgement, second);
  feed_piece(KCOM5_CLIENT, octets, size, second, size);
  check(judgement, size);
  finish(judgement, KCOM5_RESET);

  if (size <= 16 || choices.up_to(7) == 0) {  // dear for a long one, and what it finds is not rare
    kcom5_reset(KCOM5_CLIENT, &client_setting);
    std::size_t fed = 0;
    while (fed < judgement.at) {
      const std::uint8_t octet = octets[fed++];  // alone in its memory, and gone after
      kcom5_feed(KCOM5_CLIENT, KCOM5_OCTETS, &octet, 1);
      check(judgement, fed);
    }
    if (fed < size) kcom5_feed(KCOM5_CLIENT, KCOM5_OCTETS, octets + fed, size - fed);
    finish(judgement, KCOM5_TIMEOUT);
  }
  // At most three runs; a buffer that doubles is allocated four times over. The rest is for an adapter of kcom5_fuzz.h.
  require(allocated() - before <= 3 * 4 * size + 16384, "limit.memory", "more is allocated than came");
  return 0;
}
