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

/// What `call` returns, with every system error as a Failure: Asio throws its own.
template <class Call>
auto as_failures(Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const Failure&) {
    throw;
  } catch (const std::system_error& error) {
    throw Failure{system::system_code(error.code())};
  }
}

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

class Stream {
 public:
  /// `cancelled` is looked at in every wait, and outlives the stream. The bound starts now.
  Stream(Socket socket, const Options& options, const std::atomic<bool>& cancelled);
  /// Resets the connection, unless it was closed in order: `close.abort`.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Connects: `connected`, `refused`, `timeout` or `failure`. A connection to itself is `refused`: `connect.self`.
  Event connect(const Endpoint& endpoint);

  /// Waits for octets, and puts them into `room`: `more` and their count; or `end`, `reset`, `timeout`, `failure`.
  Event receive(std::span<std::uint8_t> room, std::size_t& count);

  /// Sends what the system takes of `pieces` now, and removes it from them: `sent` when nothing is left of them, or
  /// `more`, `end`, `reset`, `timeout`, `failure`. While the system takes nothing, octets of the peer are thrown away,
  /// so that it may send before it reads: `close.extra`.
  Event send(std::span<Octets> pieces);

  /// Whether the peer of a Unix-domain socket runs as another user: `unix.owner`. On TCP nobody can tell. Throws
  /// Failure.
  [[nodiscard]] bool is_other_user();
  /// Ends the sending direction, and the bound starts again: `more`, `reset` or `failure`.
  Event half_close();
  /// Closes in order.
  void close();

  /// The bound of the wait starts again.
  void restart() noexcept { deadline_.restart(); }
  /// The system's error behind `failure`.
  [[nodiscard]] const std::error_code& failure() const noexcept { return failure_; }

 private:
  Event wait(system::Ready asked);
  Event event_of(const std::error_code& ec) noexcept;

  Socket socket_;
  bool is_tcp_;
  const std::atomic<bool>& cancelled_;
  Deadline deadline_;
  std::error_code failure_;
  std::optional<std::uint64_t> unacknowledged_;  // when last looked at
  bool peer_ended_ = false;
};

}  // namespace kcom5
