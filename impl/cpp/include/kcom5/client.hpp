// The client: it connects and receives. Spec: "Listening and connecting", "Frame", "Time".
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <system_error>

#include "kcom5/buffer.hpp"
#include "kcom5/exchange.hpp"
#include "kcom5/failure.hpp"
#include "kcom5/options.hpp"

namespace kcom5 {

/// Receives one message and one block of bytes. A call returns when everything that the caller asked for is stored
/// (`close.last`). The server learns of success only then. A client may be used again afterwards. A call leaves nothing
/// behind when it returns (`close.residue`). After a failure nothing was delivered and `message` is unchanged.
///
/// *Errors*: each call throws Failure, or, with an `ec`, sets it: invalid-port (before a file or a socket is opened),
/// refused, timeout, io, invalid-connection, truncated, malformed-message, over-limit.
/// *Thread-safety*: one call at a time; cancel() may be called meanwhile.
///
/// Outputs are opened once, before the client connects (`file.once`), and every wait for one is bounded by `timeout`.
/// An output that is a regular file, or does not exist yet, gets its name when it is complete. Its mode is 0600, or
/// that of the file that it replaces. A failure leaves nothing of it (`file.whole`). Anything else (a pipe, a device, a
/// descriptor of this process such as /dev/stdout) is written in place. Links are followed, but not those of other
/// users in folders that all users share. Nothing is flushed to the disk, so a power failure may lose it.
class Client : public Options {
 public:
  Client();
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  Limits limits;  ///< `limit.over`
  /// A file in which the message is stored as well; empty: no file.
  std::filesystem::path message_file;
  /// An existing regular file is not replaced: the call fails with io. The client checks this before it connects, and
  /// again when the file gets its name.
  bool no_clobber = false;
  /// How long to retry the connection while nobody listens; 0 or less: no retry.
  std::chrono::milliseconds wait{0};

  /// *Returns* the data, in memory that grows with what arrives (`limit.memory`).
  Buffer receive();
  Buffer receive(std::error_code& ec);

  /// Stores the data in a file with constant memory. *Returns* its size.
  std::uint64_t receive_file(const std::filesystem::path& file);
  std::uint64_t receive_file(const std::filesystem::path& file, std::error_code& ec);

  /// Writes the data to a descriptor with constant memory. *Returns* its size. The descriptor stays open.
  std::uint64_t receive_descriptor(int descriptor);
  std::uint64_t receive_descriptor(int descriptor, std::error_code& ec);

  /// *Returns* how many bytes of the data the last call wrote in place. After a failure they remain there, incomplete.
  [[nodiscard]] std::uint64_t written_in_place() const noexcept;

  /// Ends a running call soon, with io (operation canceled); a call that starts later is ended too.
  /// *Thread-safety*: may be called from other threads and from signal handlers.
  void cancel() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kcom5
