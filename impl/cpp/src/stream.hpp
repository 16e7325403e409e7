// A connected socket and the bound of the wait it is in: reads and writes become events of the exchange.
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

/// A wait looks around at least this often: for a cancellation, and for octets that were acknowledged.
inline constexpr std::chrono::milliseconds glance{250};

/// Where the options point to: a loopback address and port, or a path. REQUIRES: the port is 0 to 65535. Throws Failure
/// if the path is too long for a socket.
[[nodiscard]] Endpoint endpoint_of(const Options& options);
/// The same in words: "[::1]:13600".
[[nodiscard]] std::string name_of(const Options& options);

/// What `call` returns, with its Failure as a code: the overloads with a std::error_code.
template <class Call>
auto without_exception(std::error_code& ec, Call call) -> decltype(call()) {
  ec.clear();
  try {
    return call();
  } catch (const Failure& failure) {
    ec = failure.code();
  }
  return decltype(call())();
}

/// Data of more octets is worth some preparation.
inline constexpr std::uint64_t much = std::uint64_t{64} << 10;

class Stream {
 public:
  /// `cancelled` is looked at in every wait, and outlives the stream. The bound starts now.
  Stream(system::Descriptor socket, const Options& options, const std::atomic<bool>& cancelled) noexcept
      : socket_{std::move(socket)}, is_tcp_{options.path.empty()}, cancelled_{cancelled}, deadline_{options.close} {}
  /// Resets the connection, unless it was closed in order: `close.abort`.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Connects: `connected`, `refused`, `timeout` or `failure`. A connection to itself is `refused`: `connect.self`.
  Event connect(const Endpoint& endpoint);

  /// Waits for octets, and puts them into `room`: `more` and their count; or `end`, `reset`, `timeout`, `failure`.
  Event receive(std::span<std::uint8_t> room, std::size_t& count);

  /// The same into a pipe, at most `most` octets. `more` and no octets: the system cannot, receive() does.
  Event splice(int pipe, std::uint64_t most, std::size_t& count);

  /// What is worth while for much data only. Before the first send.
  void send_much() noexcept {
    system::enlarge_buffer(socket_.get(), system::Way::send);
    if (is_tcp_) system::prefer_speed(socket_.get());
  }
  /// The same before much data is received into memory. Not before splice(): asked for in the middle of a connection,
  /// it keeps the window at its first size, which pages that are moved and not copied only wait for.
  void receive_much() noexcept { system::enlarge_buffer(socket_.get(), system::Way::receive); }

  /// Sends what the system takes of `pieces` now, and removes it from them: `sent` when nothing is left of them, or
  /// `more`, `end`, `reset`, `timeout`, `failure`. While the system takes nothing, octets of the peer are thrown away,
  /// so that it may send before it reads: `close.extra`.
  Event send(std::span<Octets> pieces);

  /// The same with octets of a file from its position on, at most `most`, and their count. `sent`: the system has no
  /// more of them, or cannot; what is left is read and sent.
  Event send_file(int file, std::uint64_t most, std::size_t& count);

  /// Whether the peer of a Unix-domain socket runs as another user: `unix.owner`. On TCP nobody can tell. Throws
  /// Failure.
  [[nodiscard]] bool is_other_user();
  /// Ends the sending direction, and the bound starts again: `more`, `reset` or `failure`.
  Event half_close();
  /// Closes in order.
  void close() noexcept { (void)socket_.close(); }

  /// The bound of the wait starts again.
  void restart() noexcept { deadline_.restart(); }
  /// The system's error behind `failure`.
  [[nodiscard]] const std::error_code& failure() const noexcept { return failure_; }

 private:
  Event wait(system::Ready asked);
  template <class Some>
  Event wait_for(Some some, std::size_t& count);
  Event drain();
  void moved() noexcept;
  Event event_of(const std::error_code& ec) noexcept;

  system::Descriptor socket_;
  bool is_tcp_;
  const std::atomic<bool>& cancelled_;
  Deadline deadline_;
  std::error_code failure_;
  std::optional<std::uint64_t> unacknowledged_;  // when last looked at
  bool peer_ended_ = false;
  bool is_empty_ = true;  // as far as is known; a wait comes before the next read
};

}  // namespace kcom5
