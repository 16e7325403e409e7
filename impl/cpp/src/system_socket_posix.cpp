// system.hpp for POSIX: sockets. Parts for Linux only, or for macOS and BSD only, are marked.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/sockios.h>
#include <sys/sendfile.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "system_posix.hpp"

namespace kcom5::system {
namespace {

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

const sockaddr* address_of(const Endpoint& endpoint) noexcept {
  return reinterpret_cast<const sockaddr*>(endpoint.address.data());
}

template <class Address>
Endpoint endpoint_of(const Address& address, std::size_t size) noexcept {
  Endpoint endpoint;
  static_assert(sizeof address <= sizeof endpoint.address);
  std::memcpy(endpoint.address.data(), &address, size);
  endpoint.size = size;
  return endpoint;
}

}  // namespace

const std::size_t max_path_size = sizeof sockaddr_un{}.sun_path - 1;

Endpoint loopback(bool ipv6, int port) noexcept {
  const in_port_t network_port = htons(static_cast<std::uint16_t>(port));
  if (ipv6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = network_port;
    address.sin6_addr = in6addr_loopback;
    return endpoint_of(address, sizeof address);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = network_port;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return endpoint_of(address, sizeof address);
}

Endpoint endpoint_of_path(const std::string& path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, max_path_size);
  return endpoint_of(address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

int port_of(const Endpoint& endpoint) noexcept {
  // The port is at the same place in both families.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  in_port_t port = 0;
  std::memcpy(&port, endpoint.address.data() + offsetof(sockaddr_in, sin_port), sizeof port);
  return ntohs(port);
}

Ready wait(int descriptor, Ready asked, std::chrono::milliseconds most) noexcept {
  pollfd entry{.fd = descriptor, .events = 0, .revents = 0};
  if (asked.read) entry.events |= POLLIN;
  if (asked.write) entry.events |= POLLOUT;
  if (::poll(&entry, 1, static_cast<int>(most.count())) <= 0) return {};
  // After an error or hang-up the next call on the socket returns at once, so it counts as ready.
  const bool ended = (entry.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  return {.read = asked.read && (ended || (entry.revents & POLLIN) != 0),
          .write = asked.write && (ended || (entry.revents & POLLOUT) != 0)};
}

Descriptor open_socket(const Endpoint& endpoint, std::error_code& ec) noexcept {
  return prepared(::socket(address_of(endpoint)->sa_family, SOCK_STREAM | flags, 0), ec);
}

std::error_code bind(int socket, const Endpoint& endpoint) noexcept {
  const auto call = [&] {
    const bool bound = ::bind(socket, address_of(endpoint), static_cast<socklen_t>(endpoint.size)) == 0;
    return bound ? std::error_code{} : last_error();
  };
  if (address_of(endpoint)->sa_family == AF_UNIX) {
    // The mode is set before the file has a name: chmod() on the path could change another file.
#ifdef __linux__
    if (::fchmod(socket, 0600) != 0) return last_error();
    return call();
#else
    const mode_t before = ::umask(0177);
    const std::error_code ec = call();
    ::umask(before);
    return ec;
#endif
  }
  // On POSIX systems SO_REUSEADDR does not share a port with a listener; it only ignores TIME_WAIT.
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  return call();
}

std::error_code listen(int socket) noexcept {
  // The queue is long, so that other clients are reset when the first one is accepted, and do not keep trying.
  return ::listen(socket, SOMAXCONN) == 0 ? std::error_code{} : last_error();
}

Descriptor accept(int listener, std::error_code& ec) noexcept {
  const int socket = accept_with_flags(listener);
  if (socket < 0) {
    // On Linux, accept() reports errors of a connection that was lost in the queue; it was not the first client.
    for (const int error : {EAGAIN, EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH,
                            EOPNOTSUPP, ENETUNREACH, ETIMEDOUT, ECONNRESET}) {
      if (errno == error) {
        ec = std::make_error_code(std::errc::operation_would_block);
        return {};
      }
    }
  }
  return prepared(socket, ec);
}

std::error_code connect(int socket, const Endpoint& endpoint) noexcept {
  const bool connected = ::connect(socket, address_of(endpoint), static_cast<socklen_t>(endpoint.size)) == 0;
  return connected ? std::error_code{} : last_error();
}

Endpoint local_endpoint(int socket, std::error_code& ec) noexcept {
  Endpoint endpoint;
  socklen_t size = sizeof endpoint.address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(endpoint.address.data()), &size) != 0) ec = last_error();
  endpoint.size = size;
  return endpoint;
}

std::size_t send(int socket, std::span<const ByteView> pieces, std::error_code& ec) noexcept {
  std::array<iovec, 4> vectors{};
  msghdr message{};
  message.msg_iov = vectors.data();
  for (const ByteView& piece : pieces) {
    // sendmsg() does not write to it.
    if (!piece.empty()) vectors[message.msg_iovlen++] = {const_cast<std::uint8_t*>(piece.data()), piece.size()};
  }
  return counted(::sendmsg(socket, &message, no_signal), ec);
}

std::size_t receive(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  return counted(::recv(socket, octets.data(), octets.size(), 0), ec);
}

std::size_t peek(int socket, std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  return counted(::recv(socket, octets.data(), octets.size(), MSG_PEEK), ec);
}

std::error_code half_close(int socket) noexcept {
  return ::shutdown(socket, SHUT_WR) == 0 ? std::error_code{} : last_error();
}

void reset_when_closed(int socket, bool is_reset) noexcept {
  const linger now{.l_onoff = is_reset ? 1 : 0, .l_linger = 0};
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
  if (::ioctl(socket, SIOCOUTQ, &count) != 0) return std::nullopt;
  if (count > 0) {
    // TCP also counts the FIN of a half-close as a byte until it is acknowledged.
    tcp_info info{};
    socklen_t size = sizeof info;
    const bool is_tcp = ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
    constexpr auto has_fin = [](int state) {
      return state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
    };
    if (is_tcp && has_fin(info.tcpi_state)) --count;
  }
  return static_cast<std::uint64_t>(count);
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
  // Setting a size ends the kernel's own buffer growth. If less is granted, that growth must go on.
  if (!set(SO_BUF_LOCK, unlocked)) return;  // before Linux 5.14
  const int option = way == Way::send ? SO_SNDBUF : SO_RCVBUF;
  set(option, wanted);
  int granted = 0;  // Linux reports twice the size set
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

std::size_t first_piece([[maybe_unused]] std::size_t head, ByteView data) noexcept {
#ifdef __linux__
  // TCP copies what is sent into consecutive chunks. With fast short `rep movsb`, copying takes twice the time if a
  // byte's new page offset is up to 31 after its old one (impl/bench/README.md). A chunk with less than 32 bytes left
  // is not filled up, so leaving 31 shifts all later bytes out of that range. The head probably begins a chunk. If it
  // does not, the only cost is one more call.
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

bool is_stale(int folder, const std::string& name, const std::string& path, std::error_code& ec) noexcept {
  // A stream connection would be the one client of a live server. A datagram connect fails with a wrong type if a
  // server lives, and as refused if no process has the file open.
  const Descriptor datagram{::socket(AF_UNIX, SOCK_DGRAM, 0)};
  if (datagram.get() < 0) {
    ec = last_error();
    return false;
  }
  close_on_exec(datagram.get());
  // Through the open folder where /proc exists: the folder's path may lead elsewhere by now.
  const std::string here = "/proc/self/fd/" + std::to_string(folder);
  const std::string by_folder = here + '/' + name;
  const bool has_way = by_folder.size() <= max_path_size && ::access(here.c_str(), F_OK) == 0;
  const Endpoint endpoint = endpoint_of_path(has_way ? by_folder : path);
  if (::connect(datagram.get(), address_of(endpoint), static_cast<socklen_t>(endpoint.size)) == 0) return false;
  if (errno == ECONNREFUSED) return true;
  if (errno != EPROTOTYPE && errno != EPERM) ec = last_error();
  return false;
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

}  // namespace kcom5::system
