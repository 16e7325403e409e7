// The client: it connects and receives. Spec: "Listening and connecting", "Frame", "Time".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <system_error>

#include "kcom5/buffer.hpp"
#include "kcom5/exchange.hpp"
#include "kcom5/failure.hpp"
#include "kcom5/options.hpp"

namespace kcom5 {

/// Receives one message and one block of octets, and returns when every declared octet has arrived (`result.sync`). It
/// may be used again afterwards. One call at a time; only cancel() may be called meanwhile. When a call has returned
/// nothing of it is left (`close.residue`); after a failure nothing was delivered and `msg` is as it was.
///
/// Each call throws Failure, or, with an `ec`, sets it. Errors: invalid-port (before a socket is opened), refused,
/// timeout, io, invalid-connection, truncated, malformed-message, over-limit.
class Client : public Options {
 public:
  Client();
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  Limits limits;  ///< `limit.over`

  /// The data, in memory that grows with what arrives (`limit.memory`).
  Buffer receive();
  Buffer receive(std::error_code& ec);

  /// The data, into a file with constant memory; returns its size. It is written under a temporary name beside `file`,
  /// with mode 0600, and renamed to `file` when it is complete; after a failure nothing is left. If `file` exists and
  /// is no regular file (a pipe, a device), it is written to directly.
  std::uint64_t receive_file(const std::filesystem::path& file);
  std::uint64_t receive_file(const std::filesystem::path& file, std::error_code& ec);

  /// The data, to a descriptor with constant memory; returns its size. The descriptor stays open. What was written
  /// before a failure stays written: only the error tells that it is not the whole.
  std::uint64_t receive_descriptor(int descriptor);
  std::uint64_t receive_descriptor(int descriptor, std::error_code& ec);

  /// Ends a running call soon, with io (operation canceled). For other threads and signal handlers. A call that starts
  /// later is ended too.
  void cancel() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kcom5
