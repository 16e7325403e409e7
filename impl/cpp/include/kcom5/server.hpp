// The server: it listens, serves one client, and sends. Spec: "Listening and connecting", "Closing", "Time".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>

#include "kcom5/failure.hpp"
#include "kcom5/options.hpp"
#include "kcom5/wire.hpp"

namespace kcom5 {

/// What a send did.
struct Sent {
  std::uint64_t size = 0;  ///< bytes of data
  /// Whether the client's end came after everything was sent. If not, the client had ended its sending side before, and
  /// only its kernel is known to have everything (`close.confirm`).
  bool confirmed = false;
};

/// Sends one message and one block of bytes to one client, and returns when the client has confirmed that it took them
/// (`result.sync`, `close.confirm`). It may be used again afterwards. When a call has returned nothing of it is left
/// (`close.residue`).
///
/// *Errors*: each call throws Failure, or, with an `ec`, sets it: invalid-port, message-too-long, message-not-utf8
/// (before a socket is opened), in-use, timeout, io, invalid-connection, unconfirmed.
/// *Thread-safety*: one call at a time; cancel() may be called meanwhile.
class Server : public Options {
 public:
  Server();
  ~Server();
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;

  /// Called once an exchange with what open() returns, as soon as a client can connect, in the thread of the call. What
  /// it throws ends the call, and the call throws it.
  std::function<void(int port)> listening;
  /// The folder for the spool of input whose size is not known. Empty: the environment's TMPDIR, or else /tmp.
  std::filesystem::path spool_dir;

  /// Listens; optional, as a send does it otherwise. The wait for a client begins here.
  /// *Returns* the port to tell the client, 0 with `path`.
  int open();
  int open(std::error_code& ec);

  /// Sends `message` and these bytes, which are not copied.
  Sent send(ByteView data);
  Sent send(ByteView data, std::error_code& ec);

  /// Sends `message` and a file with constant memory. The length is that of the file when it is opened, before the
  /// server listens (`file.size`). A file that ends earlier is io, and the client hears of it. A file whose size tells
  /// nothing (of /proc, a pipe) is first read to its end into a spool file without a name. A pipe that no process opens
  /// for writing within the timeout is timeout.
  Sent send_file(const std::filesystem::path& file);
  Sent send_file(const std::filesystem::path& file, std::error_code& ec);

  /// Sends `message` and what a descriptor still has: the rest of a file, or all of a pipe, by way of the spool. The
  /// descriptor stays open.
  Sent send_descriptor(int descriptor);
  Sent send_descriptor(int descriptor, std::error_code& ec);

  /// How far the last send came: it waited for a client; it sent; the system had taken everything.
  enum class Stage { listening, sending, sent };
  [[nodiscard]] Stage stage() const noexcept;

  /// Ends a running call soon, with io (operation canceled); a call that starts later is ended too.
  /// *Thread-safety*: for other threads and signal handlers.
  void cancel() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kcom5
