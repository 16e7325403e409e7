// The seam to the system: sockets, files and memory. The files system_*_posix.cpp are the one for POSIX systems;
// another system needs siblings of them and nothing else.
//
// Nothing here knows the protocol. Functions that can fail return or take a std::error_code; a retry after EINTR is the
// caller's, so that a signal can end a wait.
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

/// A descriptor of a socket, a pipe or a file; closed when it goes.
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
  /// Closes it now, to see the error that a late write may have.
  std::error_code close() noexcept;

 private:
  int descriptor_ = none;
};

// ---- sockets: they do not block, raise no signal, and are kept from the programs that this process starts

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
/// file of a path gets mode 0600: `unix.mode`.
std::error_code bind(int socket, const Endpoint& endpoint) noexcept;
std::error_code listen(int socket) noexcept;
/// The next connection. would_block: there is none, or it was gone before it was taken.
Descriptor accept(int listener, std::error_code& ec) noexcept;
/// Starts to connect; would_block or in_progress: it goes on.
std::error_code connect(int socket, const Endpoint& endpoint) noexcept;
Endpoint local_endpoint(int socket, std::error_code& ec) noexcept;

/// Sends what the system takes of at most four pieces now.
std::size_t send(int socket, std::span<const ByteView> pieces, std::error_code& ec) noexcept;
/// Gives what is there; zero bytes: the end.
std::size_t receive(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
/// The same, and leaves it unread.
std::size_t peek(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
std::error_code half_close(int socket) noexcept;
/// Whether its close, by us or by the end of the process, is a reset: `close.abort`.
void reset_when_closed(int socket, bool is_reset) noexcept;

/// The error that the socket keeps for later, if any.
std::error_code pending_error(int socket) noexcept;

/// How many bytes were sent and not yet acknowledged by the peer's system, where the system tells: `time.stall`. A
/// half-close is not counted.
std::optional<std::uint64_t> unacknowledged(int socket) noexcept;

enum class Way { send, receive };
/// For much data: a buffer of this way that sender and receiver rarely wait for, and that the processor's cache still
/// holds. A system that grants less goes on as it would.
void enlarge_buffer(int socket, Way way) noexcept;

/// For much data on TCP: no waiting for more to send, and a congestion control that does not pace, which halves the
/// speed of loopback. Failing is fine.
void prefer_speed(int socket) noexcept;

/// How many of much data's bytes are to be sent together with a head of so many, so that the system does not copy the
/// rest slowly; mostly all.
std::size_t first_piece(std::size_t head, ByteView data) noexcept;

/// Whether the peer of a Unix-domain socket runs as another user: `unix.owner`.
bool is_other_user(int socket, std::error_code& ec) noexcept;

/// Whether no process has the socket of this file open. `path` leads to the file, which is `name` in `folder`. The
/// question disturbs no server: `unix.stale`. permission_denied: it cannot be asked.
bool is_stale(int folder, const std::string& name, const std::string& path, std::error_code& ec) noexcept;

// ---- between sockets and files without this process's memory: Linux. Where a system or a kind of file cannot, they
// fail, and read and write do it.

/// Sends what the socket takes now of the file's bytes from its position on, at most `most`; zero bytes: its end.
std::size_t send_file(int socket, int file, std::uint64_t most, std::error_code& ec) noexcept;

struct Pipe {
  Descriptor out;
  Descriptor in;
};
/// A pipe with room for about `size` bytes; without descriptors where splice() is not to be had.
Pipe open_pipe(std::size_t size) noexcept;
/// Moves bytes from or to a pipe, at most `most`; zero bytes: the end.
std::size_t splice(int from, int to, std::uint64_t most, std::error_code& ec) noexcept;

// ---- memory

/// Bytes from the system's random source: `hello.nonce`.
void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept;

/// Memory of another size with the same bytes at its start, moved by the system and not copied where that pays; null:
/// there is none, and the old one stays. `memory` is null at first, with `before` zero.
void* resize(void* memory, std::size_t before, std::size_t after) noexcept;
void release(void* memory, std::size_t size) noexcept;

// ---- files. A name is one component, looked up in a folder that is open: what stands at the path of the folder
// meanwhile does not matter.

/// Which file it is; it tells a file from another one under the same name.
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

/// What stands under a name; a link is not followed. Absent is no error.
FileStatus look(int folder, const std::string& name, std::error_code& ec) noexcept;
FileStatus look(int descriptor, std::error_code& ec) noexcept;
std::error_code remove(int folder, const std::string& name) noexcept;

/// The user as which this process acts.
std::uint32_t user() noexcept;

/// A folder, for names to be looked up in; `path` starts at the folder `base`, or at the working folder. `to_lock`: for
/// lock(), too, which takes the right to read it.
Descriptor open_folder(int base, const std::filesystem::path& path, bool to_lock, std::error_code& ec) noexcept;
/// Takes or gives back the one exclusive lock of a folder. would_block: somebody else has it.
std::error_code lock(int folder, bool is_taken) noexcept;

/// Where a link leads to.
std::string read_link(int folder, const std::string& name, std::error_code& ec);
/// The descriptor of this process that the name stands for, if the folder is the one of its descriptors.
std::optional<int> descriptor_of(int folder, const std::string& name) noexcept;
/// Another descriptor of the same file. A pipe: one that does not block, of its own, where that is to be had.
Descriptor duplicate(int descriptor, std::error_code& ec) noexcept;
Descriptor reopen_pipe(int descriptor) noexcept;
/// Whether something may be written to it: permission_denied, or bad_file_descriptor.
std::error_code check_writable(int folder, const std::string& name) noexcept;
std::error_code check_writable(int descriptor) noexcept;

/// A file to read. A pipe does not block.
Descriptor open_source(const std::filesystem::path& path, std::error_code& ec) noexcept;
/// A new file for its owner only, without a name; it goes with the process. not_supported: it is not to be had here.
Descriptor create_unnamed(int folder, std::error_code& ec) noexcept;
/// A new file for its owner only. file_exists: there is one of this name.
Descriptor create(int folder, const std::string& name, std::error_code& ec) noexcept;
/// An existing file to write to, not a link. It does not block. no_such_device_or_address: a pipe that nobody reads.
Descriptor open_target(int folder, const std::string& name, std::error_code& ec) noexcept;
std::error_code truncate(int descriptor) noexcept;
std::error_code set_mode(int descriptor, std::uint32_t mode) noexcept;
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
