// The seam for POSIX systems; what only Linux or only macOS or BSD has is marked. See system.hpp.
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
#include <sys/sendfile.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "system.hpp"

namespace kcom5::system {
namespace {

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

/// What a call returned: a count, or none and the error.
std::size_t counted(ssize_t result, std::error_code& ec) noexcept {
  if (result < 0) ec = last_error();
  return result < 0 ? 0 : static_cast<std::size_t>(result);
}

void close_on_exec(int descriptor) noexcept { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

#ifdef __APPLE__  // has neither flags for socket() and accept(), nor MSG_NOSIGNAL
constexpr int flags = 0;
constexpr int no_signal = 0;
int accept_with_flags(int listener) noexcept { return ::accept(listener, nullptr, nullptr); }
void prepare(int socket) noexcept {
  close_on_exec(socket);
  ::fcntl(socket, F_SETFL, O_NONBLOCK);
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
}
#else
constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr int no_signal = MSG_NOSIGNAL;
int accept_with_flags(int listener) noexcept { return ::accept4(listener, nullptr, nullptr, flags); }
void prepare(int /*socket*/) noexcept {}
#endif

Descriptor prepared(int socket, std::error_code& ec) noexcept {
  if (socket < 0) {
    ec = last_error();
  } else {
    prepare(socket);
  }
  return Descriptor{socket};
}

#ifdef __linux__
/// While it lives a call on a connection that is gone raises no SIGPIPE here: sendfile() has no MSG_NOSIGNAL.
class WithoutSignal {
 public:
  WithoutSignal() noexcept {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSignal() {
    const int error = errno;
    constexpr timespec now{};
    ::sigtimedwait(&pipe_, nullptr, &now);  // also when some octets were sent before
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  WithoutSignal(const WithoutSignal&) = delete;
  WithoutSignal& operator=(const WithoutSignal&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};
#endif

}  // namespace

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::error_code Descriptor::close() noexcept {
  return ::close(std::exchange(descriptor_, none)) == 0 ? std::error_code{} : last_error();
}

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

Descriptor open_socket(const Endpoint& endpoint, std::error_code& ec) noexcept {
  return prepared(::socket(endpoint.data()->sa_family, SOCK_STREAM | flags, 0), ec);
}

std::error_code bind(int socket, const Endpoint& endpoint) noexcept {
  // On POSIX systems this does not share a port that somebody listens on; it only passes over TIME_WAIT.
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool bound = ::bind(socket, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0;
  return bound ? std::error_code{} : last_error();
}

std::error_code listen(int socket) noexcept {
  // The queue is long so that strangers are reset when the first client is accepted, and not left to try again.
  return ::listen(socket, SOMAXCONN) == 0 ? std::error_code{} : last_error();
}

Descriptor accept(int listener, std::error_code& ec) noexcept { return prepared(accept_with_flags(listener), ec); }

std::error_code connect(int socket, const Endpoint& endpoint) noexcept {
  const bool connected = ::connect(socket, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0;
  return connected ? std::error_code{} : last_error();
}

Endpoint local_endpoint(int socket, std::error_code& ec) noexcept {
  Endpoint endpoint;
  socklen_t size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(socket, endpoint.data(), &size) != 0) {
    ec = last_error();
  } else {
    endpoint.resize(size);
  }
  return endpoint;
}

std::size_t send(int socket, std::span<const Octets> pieces, std::error_code& ec) noexcept {
  std::array<iovec, 4> vectors{};
  msghdr message{};
  message.msg_iov = vectors.data();
  for (const Octets& piece : pieces) {
    // It is not written to.
    if (!piece.empty()) vectors[message.msg_iovlen++] = {const_cast<std::uint8_t*>(piece.data()), piece.size()};
  }
  return counted(::sendmsg(socket, &message, no_signal), ec);
}

std::size_t receive(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  return counted(::recv(socket, octets.data(), octets.size(), 0), ec);
}

std::error_code half_close(int socket) noexcept {
  return ::shutdown(socket, SHUT_WR) == 0 ? std::error_code{} : last_error();
}

void reset_when_closed(int socket) noexcept {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

std::error_code pending_error(int socket) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return last_error();
  return {error, std::system_category()};
}

std::optional<std::uint64_t> unacknowledged([[maybe_unused]] int socket) noexcept {
#ifdef __linux__
  int count = 0;
  if (::ioctl(socket, SIOCOUTQ, &count) == 0) return static_cast<std::uint64_t>(count);
#endif
  return std::nullopt;
}

void enlarge_buffer([[maybe_unused]] int socket, [[maybe_unused]] Way way) noexcept {
#ifdef SO_BUF_LOCK
  constexpr int wanted = 1 << 20;
  constexpr int unlocked = 0;
  const auto set = [&](int option, int value) {
    return ::setsockopt(socket, SOL_SOCKET, option, &value, sizeof value) == 0;
  };
  // To ask for a size ends the system's own growing. Where less is granted, that must go on.
  if (!set(SO_BUF_LOCK, unlocked)) return;  // before Linux 5.14
  const int option = way == Way::send ? SO_SNDBUF : SO_RCVBUF;
  set(option, wanted);
  int granted = 0;  // it counts twice what is asked for
  socklen_t size = sizeof granted;
  ::getsockopt(socket, SOL_SOCKET, option, &granted, &size);
  if (granted < 2 * wanted) set(SO_BUF_LOCK, unlocked);
#endif
}

void prefer_speed(int socket) noexcept {
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
#ifdef __linux__
  for (const std::string_view name : {"cubic", "reno"}) {
    if (::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0)
      return;
  }
#endif
}

std::size_t first_piece([[maybe_unused]] std::size_t head, Octets data) noexcept {
#ifdef __linux__
  // What is sent over TCP is copied to chunks, one octet behind the other. A processor with fast short `rep movsb`
  // takes twice the time where an octet's new place in a page is up to 31 after its old one (impl/bench/README.md). A
  // chunk with less than 32 octets left is not filled up: to leave 31 moves all that follow out of there.
  // That the head begins a chunk is likely and not known: if it does not, only one more call is made.
  constexpr std::size_t page = 4096, chunk = std::size_t{32} << 10, left = 31;
  const std::size_t behind = (head - reinterpret_cast<std::uintptr_t>(data.data())) % page;
  if (behind > 0 && behind <= left) return std::min(data.size(), chunk - left + chunk - head % chunk);
#endif
  return data.size();
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
  const Descriptor datagram{::socket(AF_UNIX, SOCK_DGRAM, 0)};
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

#ifdef __linux__

std::size_t send_file(int socket, int file, std::uint64_t most, std::error_code& ec) noexcept {
  const WithoutSignal guard;
  return counted(::sendfile(socket, file, nullptr, most), ec);
}

Pipe open_pipe(std::size_t size) noexcept {
  std::array<int, 2> ends{none, none};
  if (::pipe2(ends.data(), O_CLOEXEC) == 0) ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(size));
  return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}

std::size_t splice(int from, int to, std::uint64_t most, std::error_code& ec) noexcept {
  return counted(::splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE), ec);
}

#else

std::size_t send_file(int, int, std::uint64_t, std::error_code& ec) noexcept {
  ec = std::make_error_code(std::errc::function_not_supported);
  return 0;
}

Pipe open_pipe(std::size_t) noexcept { return {}; }

std::size_t splice(int, int, std::uint64_t, std::error_code& ec) noexcept {
  ec = std::make_error_code(std::errc::function_not_supported);
  return 0;
}

#endif

void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  if (::getentropy(octets.data(), octets.size()) != 0) ec = last_error();
}

#ifdef __linux__

namespace {
/// What is smaller is cheaper to copy than to map.
constexpr std::size_t map_from = std::size_t{1} << 20;
}  // namespace

void* resize(void* memory, std::size_t before, std::size_t after) noexcept {
  if (after < map_from) return std::realloc(memory, after);
  const bool is_map = before >= map_from;
  void* const map = is_map ? ::mremap(memory, before, after, MREMAP_MAYMOVE)
                           : ::mmap(nullptr, after, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  // The whole map, always: a part with another advice would be a map of its own, and could not be moved with the rest.
  ::madvise(map, after, MADV_HUGEPAGE);
  if (!is_map && memory != nullptr) {
    std::memcpy(map, memory, before);
    std::free(memory);
  }
  return map;
}

void release(void* memory, std::size_t size) noexcept {
  if (size < map_from) {
    std::free(memory);
  } else {
    ::munmap(memory, size);
  }
}

#else

void* resize(void* memory, std::size_t /*before*/, std::size_t after) noexcept { return std::realloc(memory, after); }
void release(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

#endif

std::optional<FileId> file_id(const std::filesystem::path& path) noexcept {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
}

Descriptor open_read(const std::filesystem::path& path, std::error_code& ec) noexcept {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) ec = last_error();
  return file;
}

Descriptor open_write(const std::filesystem::path& path, std::error_code& ec) noexcept {
  Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (file.get() < 0) ec = last_error();
  return file;
}

Descriptor open_temporary(const std::string& prefix, std::filesystem::path& path, std::error_code& ec) {
  std::string name = prefix + "XXXXXX";
  Descriptor file{::mkstemp(name.data())};
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

bool is_regular(int descriptor) noexcept {
  struct stat status{};
  return ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

std::error_code rewind(int descriptor) noexcept {
  return ::lseek(descriptor, 0, SEEK_SET) == 0 ? std::error_code{} : last_error();
}

std::size_t read(int descriptor, std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  return counted(::read(descriptor, octets.data(), octets.size()), ec);
}

std::size_t write(int descriptor, Octets octets, std::error_code& ec) noexcept {
  return counted(::write(descriptor, octets.data(), octets.size()), ec);
}

}  // namespace kcom5::system
