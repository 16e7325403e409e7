// What both ends of an exchange can be told. Spec: "API names", `listen.default`, "Time".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace kcom5 {

inline constexpr int default_port = 13600;
inline constexpr int default_close = 150;

/// The fields of the original, with its defaults, and more. Set them before the call.
struct Options {
  bool ipv6 = true;            ///< [::1], or else 127.0.0.1
  int port = default_port;     ///< 1 to 65535; for a server also 0: the system chooses (`listen.port-zero`)
  int close = default_close;   ///< T, in seconds; zero and negative: no limit
  std::string msg;             ///< the message, UTF-8: set before send, filled in by receive (`result.message`)
  std::filesystem::path path;  ///< the path of a Unix-domain socket; not empty: it replaces ipv6 and port
  /// Called now and then with the bytes of data done and in all. A callback that throws ends the call, with that
  /// exception and without a success at the peer.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

}  // namespace kcom5
