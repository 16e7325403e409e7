// A server's listening socket: a port of the loopback interface, or a path. Spec: "Listening and connecting".
#pragma once

#include <atomic>
#include <optional>

#include "deadline.hpp"
#include "kcom5/options.hpp"
#include "system.hpp"
#include "unix_path.hpp"

namespace kcom5 {

class Listener {
 public:
  /// Listens. `cancelled` outlives the listener. Throws Failure. REQUIRES: the port is 0 to 65535.
  Listener(const Options& options, const std::atomic<bool>& cancelled);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// 0 for a path.
  [[nodiscard]] int port() const noexcept { return options_.path.empty() ? options_.port : 0; }

  /// Waits for the first client, until T after it began to listen: `time.wait`. Throws Failure.
  system::Descriptor accept();

 private:
  void listen_on_loopback();
  void listen_on_path();
  void check(const std::error_code& ec) const;

  Options options_;
  const std::atomic<bool>& cancelled_;
  Deadline deadline_;
  system::Descriptor socket_;
  std::optional<SocketName> name_;  // destroyed before the socket
};

}  // namespace kcom5
