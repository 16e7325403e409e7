// The seam to the system: what neither the language nor Asio offers. system_posix.cpp is the one for POSIX systems;
// another system needs a sibling of it and nothing else.
//
// Nothing here knows the protocol. Functions that can fail return or take a std::error_code; a retry after EINTR is the
// caller's, so that a signal can end a wait.
#pragma once

#include <asio/basic_socket_acceptor.hpp>
#include <asio/error.hpp>
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

using Socket = asio::generic::stream_protocol::socket;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
using Endpoint = asio::generic::stream_protocol::endpoint;

}  // namespace kcom5

namespace kcom5::system {

// ---- sockets

/// A code of Asio's own category for the system's errors as the language's code for the same; others as they are.
inline std::error_code system_code(const std::error_code& ec) noexcept {
  return ec.category() == asio::error::get_system_category() ? std::error_code{ec.value(), std::system_category()} : ec;
}

struct Ready {
  bool read = false;
  bool write = false;
};

inline constexpr int no_socket = -1;

/// Waits until the socket is ready for what is asked, a signal comes, or the time has passed.
Ready wait(int socket, Ready asked, std::chrono::milliseconds most) noexcept;

/// Starts to connect a socket that does not block; would_block or in_progress: it goes on.
std::error_code connect(Socket& socket, const Endpoint& endpoint) noexcept;

/// The error that the socket keeps for later, if any.
std::error_code pending_error(Socket& socket) noexcept;

/// How many octets were sent and not yet acknowledged by the peer's system, where the system tells: `time.stall`.
std::optional<std::uint64_t> unacknowledged(int socket) noexcept;

/// Keeps the socket from the programs that this process starts.
void close_on_exec(int socket) noexcept;

/// Asks for a congestion control that does not pace: pacing halves the speed of loopback. Failing is fine.
void prefer_unpaced(int socket) noexcept;

/// Lets a port be opened again at once and never shared: `listen.rebind`, `listen.exclusive`.
void set_exclusive(Acceptor& acceptor, std::error_code& ec);

/// Whether the peer of a Unix-domain socket runs as another user: `unix.owner`.
bool is_other_user(int socket, std::error_code& ec) noexcept;

enum class PathState { absent, stale, live, other };
/// What is at the path of a Unix-domain socket. Does not disturb a server: `unix.stale`.
PathState probe(const std::filesystem::path& path, const Endpoint& endpoint, std::error_code& ec) noexcept;

/// Octets from the system's random source: `hello.nonce`.
void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept;

// ---- memory

/// A hint: large memory is soon filled from its start.
void prefer_huge_pages(void* memory, std::size_t size) noexcept;

// ---- files

/// Which file a path names; it tells a file from another one under the same name.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  bool operator==(const FileId&) const = default;
};
std::optional<FileId> file_id(const std::filesystem::path& path) noexcept;

/// A descriptor, closed when it goes.
class File {
 public:
  File() noexcept = default;
  explicit File(int descriptor) noexcept : descriptor_{descriptor} {}
  ~File();
  File(File&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  /// Closes it now, to see the error that a late write may have.
  std::error_code close() noexcept;

 private:
  int descriptor_ = -1;
};

File open_read(const std::filesystem::path& path, std::error_code& ec) noexcept;
File open_write(const std::filesystem::path& path, std::error_code& ec) noexcept;
/// A new file for its owner only, `prefix` and six random characters; its name is put into `path`.
File open_temporary(const std::string& prefix, std::filesystem::path& path, std::error_code& ec);

/// What is left of a regular file from the descriptor's position on. Nothing if it cannot be known without reading: no
/// regular file, or one that says it is empty, as those of /proc do.
std::optional<std::uint64_t> size_left(int descriptor, std::error_code& ec) noexcept;
std::error_code rewind(int descriptor) noexcept;

/// One read or write; zero octets read: the end.
std::size_t read(int descriptor, std::span<std::uint8_t> octets, std::error_code& ec) noexcept;
std::size_t write(int descriptor, Octets octets, std::error_code& ec) noexcept;

}  // namespace kcom5::system
