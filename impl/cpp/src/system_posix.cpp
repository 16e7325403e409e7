// The seam for POSIX systems; what only Linux or only BSD has is marked. See system.hpp.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/sockios.h>
#endif

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "system.hpp"

namespace kcom5::system {
namespace {

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

}  // namespace

Ready wait(int socket, Ready asked, std::chrono::milliseconds most) noexcept {
  pollfd entry{.fd = socket, .events = 0, .revents = 0};
  if (asked.read) entry.events |= POLLIN;
  if (asked.write) entry.events |= POLLOUT;
  if (::poll(&entry, 1, static_cast<int>(most.count())) <= 0) return {};
  // An error or hang-up makes the next call on the socket return at once: ready for whatever was asked.
  const bool ended = (entry.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  return {.read = asked.read && (ended || (entry.revents & POLLIN) != 0),
          .write = asked.write && (ended || (entry.revents & POLLOUT) != 0)};
}

std::error_code connect(Socket& socket, const Endpoint& endpoint) noexcept {
  if (::connect(socket.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0) return {};
  return last_error();
}

std::error_code pending_error(Socket& socket) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return last_error();
  return {error, std::system_category()};
}

std::optional<std::uint64_t> unacknowledged([[maybe_unused]] int socket) noexcept {
#ifdef __linux__
  int count = 0;
  if (::ioctl(socket, SIOCOUTQ, &count) == 0) return static_cast<std::uint64_t>(count);
#endif
  return std::nullopt;
}

void close_on_exec(int socket) noexcept { ::fcntl(socket, F_SETFD, FD_CLOEXEC); }

void prefer_unpaced([[maybe_unused]] int socket) noexcept {
#ifdef __linux__
  for (const std::string_view name : {"cubic", "reno"}) {
    if (::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0)
      return;
  }
#endif
}

void set_exclusive(Acceptor& acceptor, std::error_code& ec) {
  // On POSIX systems this does not share a port that somebody listens on; it only passes over TIME_WAIT.
  acceptor.set_option(asio::socket_base::reuse_address{true}, ec);
}

bool is_other_user(int socket, std::error_code& ec) noexcept {
#ifdef __linux__
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  const uid_t user = peer.uid;
#else
  uid_t user{};
  gid_t group{};
  const bool known = ::getpeereid(socket, &user, &group) == 0;
#endif
  if (!known) ec = last_error();
  return known && user != ::geteuid();
}

PathState probe(const std::filesystem::path& path, const Endpoint& endpoint, std::error_code& ec) noexcept {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) ec = last_error();
    return PathState::absent;
  }
  if (!S_ISSOCK(status.st_mode)) return PathState::other;
  // A stream connection would be the one client of a live server. A datagram socket is refused by it as the wrong type,
  // and by a file that nobody listens on as unreachable.
  const File datagram{::socket(AF_UNIX, SOCK_DGRAM, 0)};
  if (datagram.get() < 0) {
    ec = last_error();
    return PathState::live;
  }
  close_on_exec(datagram.get());
  const int result = ::connect(datagram.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
  if (result != 0 && errno == ECONNREFUSED) return PathState::stale;
  if (result != 0 && errno != EPROTOTYPE) ec = last_error();
  return PathState::live;
}

void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  if (::getentropy(octets.data(), octets.size()) != 0) ec = last_error();
}

void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t size) noexcept {
#ifdef __linux__
  constexpr std::uintptr_t huge = std::uintptr_t{2} << 20;
  const std::uintptr_t start = (reinterpret_cast<std::uintptr_t>(memory) + huge - 1) & ~(huge - 1);
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(memory) + size) & ~(huge - 1);
  if (start < end) ::madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#endif
}

std::optional<FileId> file_id(const std::filesystem::path& path) noexcept {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::error_code File::close() noexcept {
  return ::close(std::exchange(descriptor_, -1)) == 0 ? std::error_code{} : last_error();
}

File open_read(const std::filesystem::path& path, std::error_code& ec) noexcept {
  File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) ec = last_error();
  return file;
}

File open_write(const std::filesystem::path& path, std::error_code& ec) noexcept {
  File file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (file.get() < 0) ec = last_error();
  return file;
}

File open_temporary(const std::string& prefix, std::filesystem::path& path, std::error_code& ec) {
  std::string name = prefix + "XXXXXX";
  File file{::mkstemp(name.data())};
  if (file.get() < 0) {
    ec = last_error();
    return file;
  }
  close_on_exec(file.get());
  path = name;
  return file;
}

std::optional<std::uint64_t> size_left(int descriptor, std::error_code& ec) noexcept {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) {
    ec = last_error();
    return std::nullopt;
  }
  if (!S_ISREG(status.st_mode) || status.st_size == 0) return std::nullopt;
  const off_t at = ::lseek(descriptor, 0, SEEK_CUR);
  if (at < 0) ec = last_error();
  return at < status.st_size ? static_cast<std::uint64_t>(status.st_size - at) : 0;
}

std::error_code rewind(int descriptor) noexcept {
  return ::lseek(descriptor, 0, SEEK_SET) == 0 ? std::error_code{} : last_error();
}

std::size_t read(int descriptor, std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  const ssize_t count = ::read(descriptor, octets.data(), octets.size());
  if (count < 0) ec = last_error();
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

std::size_t write(int descriptor, Octets octets, std::error_code& ec) noexcept {
  const ssize_t count = ::write(descriptor, octets.data(), octets.size());
  if (count < 0) ec = last_error();
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

}  // namespace kcom5::system
