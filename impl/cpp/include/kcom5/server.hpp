// The server: it listens, serves one client, and sends. Spec: "Listening and connecting", "Closing", "Time".
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>

#include "kcom5/failure.hpp"
#include "kcom5/options.hpp"
#include "kcom5/wire.hpp"

namespace kcom5 {

/// Sends one message and one block of octets to one client, and returns when the client has confirmed that it took
/// them (`result.sync`, `close.confirm`). It may be used again afterwards. One call at a time; only cancel() may be
/// called meanwhile. When a call has returned nothing of it is left (`close.residue`).
///
/// Each call throws Failure, or, with an `ec`, sets it. Errors: invalid-port, message-too-long, message-not-utf8
/// (before a socket is opened), in-use, timeout, io, invalid-connection, unconfirmed.
class Server : public Options {
 public:
  Server();
  ~Server();
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;

  /// Called as soon as it listens, with what open() returns.
  std::function<void(int port)> listening;
  /// Whether the last successful send was confirmed: the client's orderly end came after the server's half-close. Not
  /// confirmed: the client had ended its sending side before. False from the start of each send on.
  bool confirmed = false;
  /// The folder for the spool of input whose size is not known. Empty: the environment's TMPDIR, or else /tmp.
  std::filesystem::path spool_dir;

  /// Listens, and returns the port to tell the client (0 with `path`). Optional: a send does it otherwise.
  int open();
  int open(std::error_code& ec);

  /// Sends `msg` and these octets, which are not copied.
  void send(Octets data);
  void send(Octets data, std::error_code& ec);

  /// Sends `msg` and a file with constant memory. The length is that of the file when it is opened, before the server
  /// listens (`file.size`). A file that ends earlier is io, and the client hears of it. A file whose size tells nothing
  /// (of /proc, a pipe) is first read to its end into a spool file without a name. A pipe that no process opens for
  /// writing within T is timeout.
  void send_file(const std::filesystem::path& file);
  void send_file(const std::filesystem::path& file, std::error_code& ec);

  /// Sends `msg` and what a descriptor still has: the rest of a file, or all of a pipe, by way of the spool. The
  /// descriptor stays open.
  void send_descriptor(int descriptor);
  void send_descriptor(int descriptor, std::error_code& ec);

  /// How far the last send came: it waited for a client; it sent; the system had taken everything.
  enum class Stage { listening, sending, sent };
  [[nodiscard]] Stage stage() const noexcept;

  /// Ends a running call soon, with io (operation canceled). For other threads and signal handlers. A call that starts
  /// later is ended too.
  void cancel() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kcom5
