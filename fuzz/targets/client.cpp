// The client's exchange. Input: what a server sends, echo and frame; the hello was 4b 43 4f 4d 35 aa bb cc.
//
// Invariant: after every piece of any cut, the client's offset and result are those of the spec. It sends its hello and
// nothing else. An end, a reset or a timeout ends it by the state tables. It allocates at most a multiple of the bytes
// that it was fed (`limit.memory`).
// Outcomes: done, `invalid-connection`, `over-limit`, `malformed-message`, `truncated`, `timeout`.
#include "oracle.hpp"

using namespace kcom5_fuzz;

namespace {

/// Checks a client that was fed the first `fed` bytes of the judged ones.
void check(const Judgement& judgement, std::size_t fed) {
  const kcom5_result result = outcome(KCOM5_CLIENT);
  const bool is_decided = judgement.is_decided && fed >= judgement.at;
  require(result.consumed == std::min(fed, judgement.at), "frame.segments", "the offset differs");
  require(same(result.error, is_decided ? judgement.error : nullptr), "result.class", "the error differs");
  require(result.done == (is_decided && !judgement.error), "result.sync", "done too early, too late or never");
}

/// Reports the last event. It must not change an earlier decision.
void finish(const Judgement& judgement, kcom5_event event) {
  kcom5_feed(KCOM5_CLIENT, event, nullptr, 0);
  const kcom5_result result = outcome(KCOM5_CLIENT);
  const char* const error = judgement.is_decided ? judgement.error : interrupted(event, judgement.at);
  require(same(result.error, error), "data.truncated", "the error at the end differs");
  require(result.done == !error, "data.end", "done and failed, or neither");
  require(result.consumed == judgement.at, "data.end", "the offset at the end differs");
  require(same(result.sent, hello, sizeof hello), "hello.form", "it sent something else than its hello");
  if (!result.done) {
    require(result.message.size == 0 && result.data.size == 0, "data.truncated", "it delivered content after an error");
    return;
  }
  require(same(result.message, judgement.message, judgement.message_size), "message.length", "the message differs");
  require(same(result.data, judgement.data, judgement.data_size), "data.opaque", "the data differs");
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

  if (size <= 16 || choices.up_to(7) == 0) {  // slow for long inputs, and short ones show the same bugs
    kcom5_reset(KCOM5_CLIENT, &client_setting);
    std::size_t fed = 0;
    while (fed < judgement.at) {
      const std::uint8_t octet = octets[fed++];  // in memory of its own, which ends with the loop's body
      kcom5_feed(KCOM5_CLIENT, KCOM5_OCTETS, &octet, 1);
      check(judgement, fed);
    }
    if (fed < size) kcom5_feed(KCOM5_CLIENT, KCOM5_OCTETS, octets + fed, size - fed);
    finish(judgement, KCOM5_TIMEOUT);
  }
  // There are at most three runs, and a buffer that doubles takes four times its size. The constant is for the adapter.
  require(allocated() - before <= 3 * 4 * size + 16384, "limit.memory", "it allocated much more than arrived");
  return 0;
}
