// The options of both ends of an exchange. Spec: `listen.default`, "Time".
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace kcom5 {

inline constexpr int default_port = 13600;
inline constexpr std::chrono::milliseconds default_timeout = std::chrono::seconds{150};
/// The timeout of waits without a limit.
inline constexpr std::chrono::milliseconds forever = std::chrono::milliseconds::max();

/// *Returns* the timeout that stands for the protocol's T in seconds: `forever` if it is zero or negative
/// (`time.never`).
[[nodiscard]] constexpr std::chrono::milliseconds timeout_of(int t) noexcept {
  return t > 0 ? std::chrono::milliseconds{std::chrono::seconds{t}} : forever;
}

/// The fields of both ends. Set them before the call.
struct Options {
  int port = default_port;     ///< 1 to 65535; for a server also 0: the kernel chooses (`listen.port-zero`)
  bool ipv6 = true;            ///< [::1], or else 127.0.0.1
  std::filesystem::path path;  ///< the path of a Unix-domain socket; if not empty, it replaces port and ipv6
  std::chrono::milliseconds timeout = default_timeout;  ///< bound of each wait; 0 or less looks once and does not wait
  std::string message;  ///< UTF-8: what a server sends, and what a client received (`result.message`)
  /// Called in the thread of the call each time that bytes of data have moved, with the bytes done and the total. An
  /// exception from it ends the call, which rethrows it; the peer sees a reset.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

}  // namespace kcom5
