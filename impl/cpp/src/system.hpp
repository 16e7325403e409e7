// The seam to the system: sockets, files and memory. system_posix.cpp is the one for POSIX systems; another system
// needs a sibling of it and nothing else. Sockets are not Asio's, because a hand-over of a few octets would pay for its
// reactor more than for itself (impl/bench): an epoll instance, two descriptors to wake it and 33 more system calls.
//
// Nothing here knows the protocol. Functions that can fail return or take a std::error_code; a retry after EINTR is the
// caller's, so that a signal can end a wait.
#pragma once

#include <asio/generic/stream_protocol.hpp>
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

namespace kcom5 {

using Endpoint = asio::generic::stream_protocol::endpoint;

}  // namespace kcom5

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

struct Ready {
  bool read = false;
  bool write = false;
};

/// Waits until the socket is ready for what is asked, a signal comes, or the time has passed.
Ready wait(int socket, Ready asked, std::chrono::milliseconds most) noexcept;

/// A stream socket of the endpoint's kind.
Descriptor open_socket(const Endpoint& endpoint, std::error_code& ec) noexcept;

/// Binds it so that a port can be opened again at once and is never shared: `listen.rebind`, `listen.exclusive`.
std::error_code bind(int socket, const Endpoint& endpoint) noexcept;
std::error_code listen(int socket) noexcept;
Descriptor accept(int listener, std::error_code& ec) noexcept;
/// Starts to connect; would_block or in_progress: it goes on.
std::error_code connect(int socket, const Endpoint& endpoint) noexcept;
Endpoint local_endpoint(int socket, std::error_code& ec) noexcept;

/// Sends what the system takes of at most four pieces now.
std::size_t send(int socket, std::span<const Octets> pieces, std::error_code& ec) noexcept;
/// Gives what is there; zero octets: the end.
std::size_t receive(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
std::error_code half_close(int socket) noexcept;
/// Its close will be a reset: `close.abort`.
void reset_when_closed(int socket) noexcept;

/// The error that the socket keeps for later, if any.
std::error_code pending_error(int socket) noexcept;

/// How many octets were sent and not yet acknowledged by the peer's system, where the system tells: `time.stall`.
std::optional<std::uint64_t> unacknowledged(int socket) noexcept;

enum class Way { send, receive };
/// For much data: a buffer of this way that sender and receiver rarely wait for, and that the processor's cache still
/// holds. A system that grants less goes on as it would.
void enlarge_buffer(int socket, Way way) noexcept;

/// For much data on TCP: no waiting for more to send, and a congestion control that does not pace, which halves the
/// speed of loopback. Failing is fine.
void prefer_speed(int socket) noexcept;

/// How many of much data's octets are to be sent together with a head of so many, so that the system does not copy the
/// rest slowly; mostly all.
std::size_t first_piece(std::size_t head, Octets data) noexcept;

/// Whether the peer of a Unix-domain socket runs as another user: `unix.owner`.
bool is_other_user(int socket, std::error_code& ec) noexcept;

enum class PathState { absent, stale, live, other };
/// What is at the path of a Unix-domain socket. Does not disturb a server: `unix.stale`.
PathState probe(const std::filesystem::path& path, const Endpoint& endpoint, std::error_code& ec) noexcept;

// ---- between sockets and files without this process's memory: Linux. Where a system or a kind of file cannot, they
// fail, and read and write do it.

/// Sends what the socket takes now of the file's octets from its position on, at most `most`; zero octets: its end.
std::size_t send_file(int socket, int file, std::uint64_t most, std::error_code& ec) noexcept;

struct Pipe {
  Descriptor out;
  Descriptor in;
};
/// A pipe with room for about `size` octets; without descriptors where splice() is not to be had.
Pipe open_pipe(std::size_t size) noexcept;
/// Moves octets from or to a pipe, at most `most`; zero octets: the end.
std::size_t splice(int from, int to, std::uint64_t most, std::error_code& ec) noexcept;

// ---- memory

/// Octets from the system's random source: `hello.nonce`.
void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept;

/// Memory of another size with the same octets at its start, moved by the system and not copied where that pays; null:
/// there is none, and the old one stays. `memory` is null at first, with `before` zero.
void* resize(void* memory, std::size_t before, std::size_t after) noexcept;
void release(void* memory, std::size_t size) noexcept;

// ---- files

/// Which file a path names; it tells a file from another one under the same name.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  bool operator==(const FileId&) const = default;
};
std::optional<FileId> file_id(const std::filesystem::path& path) noexcept;

Descriptor open_read(const std::filesystem::path& path, std::error_code& ec) noexcept;
Descriptor open_write(const std::filesystem::path& path, std::error_code& ec) noexcept;
/// A new file for its owner only, `prefix` and six random characters; its name is put into `path`.
Descriptor open_temporary(const std::string& prefix, std::filesystem::path& path, std::error_code& ec);

bool is_regular(int descriptor) noexcept;

/// What is left of a regular file from the descriptor's position on. Nothing if it cannot be known without reading: no
/// regular file, or one that says it is empty, as those of /proc do.
std::optional<std::uint64_t> size_left(int descriptor, std::error_code& ec) noexcept;
std::error_code rewind(int descriptor) noexcept;

/// One read or write; zero octets read: the end.
std::size_t read(int descriptor, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
std::size_t write(int descriptor, Octets octets, std::error_code& ec) noexcept;

}  // namespace kcom5::system
