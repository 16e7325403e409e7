// A connected socket and the deadline of its current wait. Reads and writes become events of the exchange.
//
// It knows no state: server.cpp and client.cpp drive it. Spec: "Time", "Closing", `close.abort`.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "deadline.hpp"
#include "kcom5/exchange.hpp"
#include "kcom5/failure.hpp"
#include "kcom5/options.hpp"
#include "system.hpp"

namespace kcom5 {

/// Data larger than this is worth some preparation.
inline constexpr std::uint64_t much = std::uint64_t{64} << 10;

/// A connection. The destructor resets it (`close.abort`), unless it was closed in order or half-closed. After a
/// half-close, a reset would destroy what the peer's kernel still holds.
class Stream {
 public:
  /// A client's stream, not connected yet. Every wait checks `cancelled`; both outlive the stream. The deadline starts
  /// now.
  Stream(const Options& options, const std::atomic<bool>& cancelled) noexcept
      : options_{options}, cancelled_{cancelled}, deadline_{options.timeout} {}
  /// A server's stream, on the socket of its client.
  Stream(const Options& options, const std::atomic<bool>& cancelled, system::Descriptor socket) noexcept
      : Stream{options, cancelled} {
    socket_ = std::move(socket);
    is_server_ = true;
  }
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Connects: `connected`, `refused`, `reset`, `timeout`, `failure` or `cancel`. A connection to itself is `refused`:
  /// `connect.self`. An attempt that the kernel gives up is repeated: `time.connect`.
  Event connect(const system::Endpoint& endpoint);

  /// Waits for bytes, and puts them into `room`: `nothing` and their count; or `end`, `reset`, `timeout`, `failure`,
  /// `cancel`.
  Event receive(std::span<std::uint8_t> room, std::size_t& count);
  /// The same, and leaves them unread.
  Event peek(std::span<std::uint8_t> room, std::size_t& count);
  /// The same into a pipe, at most `most` bytes. `nothing` and 0 bytes: the kernel cannot do this; call receive().
  Event splice(int pipe, std::uint64_t most, std::size_t& count);
  /// Discards what the peer has sent so far, without waiting: `nothing`, `end`, `reset` or `failure`.
  Event skip();

  /// Prepares for much data. Call it before the first send.
  void send_much() noexcept {
    system::enlarge_buffer(socket_.get(), system::Way::send);
    if (is_tcp()) system::prefer_speed(socket_.get());
  }
  /// The same before much data is received into memory. Not before splice(): set in the middle of a connection, it
  /// keeps the window at its first size, and splice() only waits for it.
  void receive_much() noexcept { system::enlarge_buffer(socket_.get(), system::Way::receive); }

  /// Sends what the kernel takes of `pieces` now, and removes it from them. Returns `sent` when nothing is left of
  /// them, or `nothing`, `end`, `reset`, `timeout`, `failure`, `cancel`. While the kernel takes nothing, bytes of the
  /// peer are discarded, so that it may send before it reads: `close.extra`.
  Event send(std::span<ByteView> pieces);

  /// The same with bytes of a file from its position on, at most `most`, and their count. `sent`: the file has no more,
  /// or the kernel cannot send it; the caller reads and sends the rest.
  Event send_file(int file, std::uint64_t most, std::size_t& count);

  /// Whether the peer of a Unix-domain socket runs as another user: `unix.owner`. Always false on TCP, which does not
  /// report users. Throws Failure.
  [[nodiscard]] bool is_other_user();
  /// Ends the sending direction, and restarts the deadline: `nothing`, `reset` or `failure`.
  Event half_close();
  /// Whether the peer's kernel has acknowledged every byte; true where the kernel does not report it.
  [[nodiscard]] bool is_acknowledged() const noexcept;
  /// Waits until it has: `acknowledged`, `reset`, `timeout`, `failure` or `cancel`.
  Event wait_for_acknowledgement();
  /// Closes in order, without a reset.
  void close() noexcept;

  /// Restarts the deadline of the wait.
  void restart() noexcept { deadline_.restart(); }
  /// Whether the deadline has passed. Ask before the last read, so that what it finds still counts.
  [[nodiscard]] bool has_passed() const noexcept { return deadline_.passed(); }
  /// The system's error behind `failure`.
  [[nodiscard]] const std::error_code& failure() const noexcept { return failure_; }

 private:
  [[nodiscard]] bool is_tcp() const noexcept { return options_.path.empty(); }
  Event dial(const system::Endpoint& endpoint);
  Event wait(system::Ready asked, system::Ready& ready);
  template <class Some>
  Event wait_for(Some some, std::size_t& count);
  Event drain();
  void moved() noexcept;
  void note_acknowledged() noexcept;
  Event event_of(const std::error_code& ec) noexcept;

  const Options& options_;
  const std::atomic<bool>& cancelled_;
  system::Descriptor socket_;
  Deadline deadline_;
  std::error_code failure_;
  std::optional<std::uint64_t> unacknowledged_;  // when last looked at
  bool is_server_ = false;
  bool is_half_closed_ = false;
  bool peer_ended_ = false;
  bool is_empty_ = true;  // as far as is known; a wait comes before the next read
};

}  // namespace kcom5
