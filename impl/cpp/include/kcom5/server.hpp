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

/// The result of a send.
struct Sent {
  std::uint64_t size = 0;  ///< bytes of data
  /// Whether the client's end came after everything was sent. If not, the client had half-closed before, and only its
  /// kernel is known to have everything (`close.confirm`).
  bool confirmed = false;
};

/// Sends one message and one block of bytes to one client, and returns when the client has confirmed that it took them
/// (`result.sync`, `close.confirm`). A server may be used again afterwards. A call leaves nothing behind when it
/// returns (`close.residue`).
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

  /// Called once per exchange, in the thread of the call, as soon as a client can connect. `port` is what open()
  /// returns. An exception from it ends the call, which rethrows it.
  std::function<void(int port)> listening;
  /// The folder for the spool of input whose size is not known. Empty: the environment's TMPDIR, or else /tmp.
  std::filesystem::path spool_dir;

  /// Listens. Optional: a send opens the server otherwise. The wait for a client begins here.
  /// *Returns* the port to tell the client, 0 with `path`.
  int open();
  int open(std::error_code& ec);

  /// Sends `message` and these bytes, which are not copied.
  Sent send(ByteView data);
  Sent send(ByteView data, std::error_code& ec);

  /// Sends `message` and a file with constant memory. The length is that of the file when it is opened, before the
  /// server listens (`file.size`). A file that ends earlier fails with io, and the client learns of it. A file without
  /// a true size (in /proc, a pipe) is first read to its end into an unnamed spool file. A pipe that no process opens
  /// for writing within the timeout fails with timeout.
  Sent send_file(const std::filesystem::path& file);
  Sent send_file(const std::filesystem::path& file, std::error_code& ec);

  /// Sends `message` and the rest of a descriptor: the rest of a file, or all of a pipe, through the spool. The
  /// descriptor stays open.
  Sent send_descriptor(int descriptor);
  Sent send_descriptor(int descriptor, std::error_code& ec);

  /// How far the last send came: waiting for a client, sending, or everything taken by the kernel.
  enum class Stage { listening, sending, sent };
  [[nodiscard]] Stage stage() const noexcept;

  /// Ends a running call soon, with io (operation canceled); a call that starts later is ended too.
  /// *Thread-safety*: may be called from other threads and from signal handlers.
  void cancel() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kcom5
