// The server's exchange. Input: what a client sends. The server gives the message "hi" and the data 00 01 02.
//
// Invariant: the server sends nothing before exactly eight bytes with the right magic have arrived, then the echo and
// the frame, and nothing else. It rejects a wrong byte at once, and a ninth one in the piece of the eighth
// (`hello.alone`). It discards later ones, and does not count them. Later events follow the state table. Outcomes:
// done, `invalid-connection`, `timeout`, `unconfirmed`.
#include "oracle.hpp"

using namespace kcom5_fuzz;

namespace {

constexpr std::uint8_t message[] = {'h', 'i'};
constexpr std::uint8_t data[] = {0, 1, 2};
constexpr std::uint8_t frame[] = {2, 0, 0, 0, 'h', 'i', 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2};
constexpr kcom5_setting setting = {{}, 0, 0, {message, sizeof message}, {data, sizeof data}, 0};

/// The spec's server, which gets the same pieces and events.
struct Model {
  const std::uint8_t* octets;
  std::size_t at = 0;
  const char* error = nullptr;
  enum { hello, sending, half_closed, confirming, draining, done, failed } state = hello;

  void fail(const char* name) {
    error = name;
    state = failed;
  }

  void feed(std::size_t end) {
    while (state == hello && at < end) {
      const bool is_wrong = at == 8 || (at < 5 && octets[at] != kcom5_fuzz::hello[at]);
      ++at;
      if (is_wrong) fail(invalid_connection);
    }
    if (state == hello && at == 8) state = sending;
  }

  void on(kcom5_event event) {
    if (state == done || state == failed) return;
    if (event == KCOM5_SENT) {
      state = state == sending ? confirming : state == half_closed ? draining : state;
    } else if (event == KCOM5_ACKNOWLEDGED) {
      state = state == draining ? done : state;
    } else if (event == KCOM5_END) {
      if (state == hello) fail(invalid_connection);
      state = state == sending ? half_closed : state == confirming ? done : state;
    } else if (event == KCOM5_EARLY_END) {
      state = state == sending ? half_closed : state == confirming ? draining : state;
    } else if (event == KCOM5_RESET) {
      fail(state == hello ? invalid_connection : "unconfirmed");
    } else {
      fail(state == confirming || state == draining ? "unconfirmed" : timeout);
    }
  }

  void check() const {
    const kcom5_result result = outcome(KCOM5_SERVER);
    require(same(result.error, error), "result.class", "the error differs");
    require(result.done == (state == done), "close.confirm", "done too early, too late or never");
    require(result.consumed == at, "hello.segments", "the offset differs");
    if (at != 8) {
      require(result.sent.size == 0, "hello.reject", "it sent something before a complete and right hello");
      return;
    }
    require(result.sent.size == 8 + sizeof frame, "frame.order", "too little or too much was sent");
    require(std::memcmp(result.sent.at, octets, 8) == 0, "echo.exact", "the echo differs");
    require(std::memcmp(result.sent.at + 8, frame, sizeof frame) == 0, "frame.order", "the frame differs");
  }
};

/// Runs a server once: the bytes in three pieces, then four events.
void run(const std::uint8_t* octets, std::size_t size, std::size_t first, std::size_t second, Choices& choices) {
  Model model{octets};
  kcom5_reset(KCOM5_SERVER, &setting);
  const std::size_t cuts[] = {0, first, second, size};
  for (int piece = 0; piece < 3; ++piece) {
    feed_piece(KCOM5_SERVER, octets, size, cuts[piece], cuts[piece + 1]);
    model.feed(cuts[piece + 1]);
    model.check();
  }
  progress(outcome(KCOM5_SERVER));
  constexpr kcom5_event events[] = {KCOM5_SENT,    KCOM5_END,          KCOM5_RESET,
                                    KCOM5_TIMEOUT, KCOM5_ACKNOWLEDGED, KCOM5_EARLY_END};
  for (int i = 0; i < 4; ++i) {
    const kcom5_event event = events[choices.up_to(5)];
    kcom5_feed(KCOM5_SERVER, event, nullptr, 0);
    model.on(event);
    model.check();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  Choices choices{octets, size};
  run(octets, size, size, size, choices);
  if (size > 8) run(octets, size, 8, size, choices);
  const std::size_t second = choices.up_to(size);
  run(octets, size, choices.up_to(second), second, choices);
  return 0;
}
