// The interface to the operating system: sockets, files and memory. The files system_*_posix.cpp implement it for
// POSIX. Another system needs only siblings of these files.
//
// Nothing here knows the protocol. Functions that can fail return or take a std::error_code. The caller retries after
// EINTR, so that a signal can end a wait.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "kcom5/wire.hpp"

namespace kcom5::system {

inline constexpr int none = -1;

/// Owns a descriptor of a socket, a pipe or a file, and closes it.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int descriptor) noexcept : descriptor_{descriptor} {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : descriptor_{std::exchange(other.descriptor_, none)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  /// Closes it now, to get the error of a late write.
  std::error_code close() noexcept;

 private:
  int descriptor_ = none;
};

// ---- sockets: non-blocking, without SIGPIPE, and not inherited by programs that this process starts

/// A loopback address with a port, or a path: a sockaddr.
struct Endpoint {
  alignas(8) std::array<std::byte, 128> address{};
  std::size_t size = 0;
  bool operator==(const Endpoint&) const = default;
};
Endpoint loopback(bool ipv6, int port) noexcept;
/// The longest path of a Unix-domain socket, in bytes.
extern const std::size_t max_path_size;
/// REQUIRES: the path has at most max_path_size bytes.
Endpoint endpoint_of_path(const std::string& path) noexcept;
/// The port of a loopback address.
int port_of(const Endpoint& endpoint) noexcept;

struct Ready {
  bool read = false;
  bool write = false;
};

/// Waits until the descriptor is ready for what is asked, a signal comes, or the time has passed. With `none` it only
/// waits. REQUIRES: the time fits an int.
Ready wait(int descriptor, Ready asked, std::chrono::milliseconds most) noexcept;

/// A stream socket of the endpoint's kind.
Descriptor open_socket(const Endpoint& endpoint, std::error_code& ec) noexcept;

/// Binds it so that a port can be opened again at once and is never shared: `listen.rebind`, `listen.exclusive`. The
/// file of a path gets mode 0600, less what the umask takes from it.
std::error_code bind(int socket, const Endpoint& endpoint) noexcept;
std::error_code listen(int socket) noexcept;
/// Accepts the next connection. would_block: there is none, or it was lost before it was accepted.
Descriptor accept(int listener, std::error_code& ec) noexcept;
/// Starts to connect; would_block or in_progress: it goes on.
std::error_code connect(int socket, const Endpoint& endpoint) noexcept;
Endpoint local_endpoint(int socket, std::error_code& ec) noexcept;

/// Sends what the kernel takes of at most four pieces now.
std::size_t send(int socket, std::span<const ByteView> pieces, std::error_code& ec) noexcept;
/// Reads what is there; zero bytes: the end.
std::size_t receive(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
/// The same, and leaves it unread.
std::size_t peek(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
std::error_code half_close(int socket) noexcept;
/// Sets whether a close, by us or by the end of the process, is a reset: `close.abort`.
void reset_when_closed(int socket, bool is_reset) noexcept;

/// The pending error of the socket, if any.
std::error_code pending_error(int socket) noexcept;

/// How many bytes were sent and not yet acknowledged by the peer's kernel, where the kernel reports it: `time.stall`. A
/// half-close is not counted.
std::optional<std::uint64_t> unacknowledged(int socket) noexcept;

enum class Way { send, receive };
/// For much data: sets a buffer size at which sender and receiver rarely wait, and which still fits the processor's
/// cache. If the kernel grants less, its own buffer growth goes on.
void enlarge_buffer(int socket, Way way) noexcept;

/// For much data on TCP: sets TCP_NODELAY, and a congestion control that does not pace, because pacing halves the speed
/// of loopback. Errors are ignored.
void prefer_speed(int socket) noexcept;

/// How many bytes of much data to send together with a head of `head` bytes; usually all. A smaller piece keeps the
/// kernel's copy of the rest fast.
std::size_t first_piece(std::size_t head, ByteView data) noexcept;

/// Whether the peer of a Unix-domain socket runs as another user: `unix.owner`.
bool is_other_user(int socket, std::error_code& ec) noexcept;

/// Whether no process has the socket of this file open. `path` leads to the file, which is `name` in `folder`. The
/// check does not disturb a server: `unix.stale`. permission_denied: the check is not allowed.
bool is_stale(int folder, const std::string& name, const std::string& path, std::error_code& ec) noexcept;

// ---- between sockets and files without a copy in this process: Linux. Where the system or the kind of file does not
// support them, they fail, and the caller reads and writes.

/// Sends what the socket takes now of the file's bytes from its position on, at most `most`; zero bytes: the end of the
/// file.
std::size_t send_file(int socket, int file, std::uint64_t most, std::error_code& ec) noexcept;

struct Pipe {
  Descriptor out;
  Descriptor in;
};
/// A pipe with room for about `size` bytes; without descriptors where splice() is not available.
Pipe open_pipe(std::size_t size) noexcept;
/// Moves bytes from or to a pipe, at most `most`; zero bytes: the end.
std::size_t splice(int from, int to, std::uint64_t most, std::error_code& ec) noexcept;

// ---- memory

/// Bytes from the system's random source: `hello.nonce`.
void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept;

/// Resizes memory and keeps its bytes, which are remapped and not copied where that pays. Null: there is no memory, and
/// the old one stays. At first `memory` is null and `before` zero.
void* resize(void* memory, std::size_t before, std::size_t after) noexcept;
void release(void* memory, std::size_t size) noexcept;

// ---- files. A name is one component in an open folder, so a change of the folder's path in the meantime does not
// matter.

/// Identifies a file, to tell it from another one under the same name.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  bool operator==(const FileId&) const = default;
};

struct FileStatus {
  enum class Kind { absent, regular, folder, link, fifo, socket, device } kind = Kind::absent;
  FileId id;
  std::uint32_t user = 0;
  std::uint32_t mode = 0;  // permission bits, and the sticky one
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;
};

/// The status of a name; a link is not followed. A missing file is not an error.
FileStatus look(int folder, const std::string& name, std::error_code& ec) noexcept;
FileStatus look(int descriptor, std::error_code& ec) noexcept;
std::error_code remove(int folder, const std::string& name) noexcept;

/// The user as which this process acts.
std::uint32_t user() noexcept;

/// Opens a folder for lookups; `path` starts at the folder `base`, or at the working folder. `to_lock`: also for
/// lock(), which needs read permission.
Descriptor open_folder(int base, const std::filesystem::path& path, bool to_lock, std::error_code& ec) noexcept;
/// Takes or releases the exclusive lock of a folder. would_block: it is taken.
std::error_code lock(int folder, bool is_taken) noexcept;

/// The target of a link.
std::string read_link(int folder, const std::string& name, std::error_code& ec);
/// The descriptor of this process that the name stands for, if the folder is /dev/fd or /proc/self/fd.
std::optional<int> descriptor_of(int folder, const std::string& name) noexcept;
/// Another descriptor of the same file. reopen_pipe(): a non-blocking one with its own flags, where available.
Descriptor duplicate(int descriptor, std::error_code& ec) noexcept;
Descriptor reopen_pipe(int descriptor) noexcept;
/// Whether it can be written to: permission_denied, or bad_file_descriptor.
std::error_code check_writable(int folder, const std::string& name) noexcept;
std::error_code check_writable(int descriptor) noexcept;

/// A file to read. A pipe does not block.
Descriptor open_source(const std::filesystem::path& path, std::error_code& ec) noexcept;
/// A new file for its owner only, without a name; it disappears with the process. not_supported: it is not available
/// here.
Descriptor create_unnamed(int folder, std::error_code& ec) noexcept;
/// A new file for its owner only. file_exists: there is one of this name.
Descriptor create(int folder, const std::string& name, std::error_code& ec) noexcept;
/// An existing file to write to, not a link. It does not block. no_such_device_or_address: a pipe that nobody reads.
Descriptor open_target(int folder, const std::string& name, std::error_code& ec) noexcept;
std::error_code truncate(int descriptor) noexcept;
std::error_code set_mode(int descriptor, std::uint32_t mode) noexcept;
/// The same for a name. A link is not followed.
std::error_code set_mode(int folder, const std::string& name, std::uint32_t mode) noexcept;
/// Gives an unnamed file a name. file_exists: it is taken.
std::error_code link(int file, int folder, const std::string& name) noexcept;
/// `replaces`: also an existing file; else file_exists.
std::error_code rename(int folder, const std::string& from, const std::string& to, bool replaces) noexcept;

std::uint64_t position(int descriptor, std::error_code& ec) noexcept;
std::error_code rewind(int descriptor) noexcept;

/// One read or write; zero bytes read: the end.
std::size_t read(int descriptor, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
std::size_t write(int descriptor, ByteView octets, std::error_code& ec) noexcept;

}  // namespace kcom5::system
