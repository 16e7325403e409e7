// See peer.hpp.
#include "peer.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iostream>
#include <utility>

namespace kcom5::test {
namespace {

constexpr int patience = 60'000;                          // milliseconds: a test that waits longer has failed
constexpr std::array other_users{65534U, 1U, 2U, 1000U};  // a user namespace may have some of them only

[[noreturn]] void fail(const std::string& what) { throw Unexpected{what + ": " + std::strerror(errno)}; }

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const Place& place) {
  Address address;
  if (place.is_unix()) {
    auto* const unix_address = reinterpret_cast<sockaddr_un*>(&address.storage);
    unix_address->sun_family = AF_UNIX;
    place.path().string().copy(unix_address->sun_path, sizeof unix_address->sun_path - 1);
    address.size = sizeof *unix_address;
  } else if (place.is_ipv6()) {
    auto* const ipv6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(static_cast<std::uint16_t>(place.port));
    ipv6->sin6_addr = in6addr_loopback;
    address.size = sizeof *ipv6;
  } else {
    auto* const ipv4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(static_cast<std::uint16_t>(place.port));
    ::inet_pton(AF_INET, "127.0.0.1", &ipv4->sin_addr);
    address.size = sizeof *ipv4;
  }
  return address;
}

int new_socket(const Address& address) {
  const int socket = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) fail("socket");
  // Else the system takes for the peer what the peer does not read. An accepted socket inherits it.
  const int size = 256 << 10;
  ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  return socket;
}

}  // namespace

Place::Place(std::string via) : via_{std::move(via)} {
  std::string folder = (std::filesystem::temp_directory_path() / "kcom5-test-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) fail(folder);
  folder_ = folder;
  path_ = folder_ / "socket";
}

Place::~Place() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Peer::~Peer() {
  if (socket_ >= 0) ::close(socket_);
}

Peer::Peer(Peer&& other) noexcept : socket_{std::exchange(other.socket_, -1)} {}

Peer& Peer::operator=(Peer&& other) noexcept {
  std::swap(socket_, other.socket_);
  return *this;
}

Peer Peer::dial(const Place& place) {
  const Address address = address_of(place);
  Peer peer{new_socket(address)};
  if (::connect(peer.socket_, address.get(), address.size) != 0) fail("connect");
  return peer;
}

Peer Peer::listen(Place& place, int queue) {
  const Address address = address_of(place);
  Peer peer{new_socket(address)};
  const int on = 1;
  ::setsockopt(peer.socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(peer.socket_, address.get(), address.size) != 0) fail("bind");
  if (::listen(peer.socket_, queue) != 0) fail("listen");
  if (!place.is_unix()) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    ::getsockname(peer.socket_, reinterpret_cast<sockaddr*>(&bound), &size);
    place.port = ntohs(place.is_ipv6() ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                       : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  }
  return peer;
}

Peer Peer::accept() const {
  pollfd entry{.fd = socket_, .events = POLLIN, .revents = 0};
  if (::poll(&entry, 1, patience) != 1) throw Unexpected{"nobody connected"};
  Peer peer{::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC)};
  if (peer.socket_ < 0) fail("accept");
  return peer;
}

void Peer::send(const Bytes& octets) const {
  for (std::size_t at = 0; at < octets.size();) {
    const ssize_t count = ::send(socket_, octets.data() + at, octets.size() - at, MSG_NOSIGNAL);
    if (count < 0) return;  // it has ended: the outcome tells whether it should have
    at += static_cast<std::size_t>(count);
  }
}

ssize_t Peer::read_some(std::uint8_t* octets, std::size_t size) const {
  pollfd entry{.fd = socket_, .events = POLLIN, .revents = 0};
  if (::poll(&entry, 1, patience) != 1) throw Unexpected{"silence"};
  return ::recv(socket_, octets, size, 0);
}

Bytes Peer::read(std::size_t count) const {
  Bytes octets(count);
  for (std::size_t at = 0; at < count;) {
    const ssize_t got = read_some(octets.data() + at, count - at);
    if (got < 0) fail("read after " + std::to_string(at) + " of " + std::to_string(count) + " octets");
    if (got == 0) throw Unexpected{"the end after " + std::to_string(at) + " of " + std::to_string(count) + " octets"};
    at += static_cast<std::size_t>(got);
  }
  return octets;
}

void Peer::expect(const Bytes& octets) const {
  const Bytes got = read(octets.size());
  if (got == octets) return;
  const auto different = std::ranges::mismatch(got, octets);
  throw Unexpected{"octet " + std::to_string(different.in1 - got.begin()) + ": got " + std::to_string(*different.in1) +
                   ", expected " + std::to_string(*different.in2)};
}

void Peer::expect_end() const {
  std::uint8_t octet = 0;
  const ssize_t got = read_some(&octet, 1);
  if (got > 0) throw Unexpected{"octet " + std::to_string(octet) + ", expected the end"};
  if (got < 0) fail("expected an orderly end");
}

void Peer::half_close() const { ::shutdown(socket_, SHUT_WR); }

void Peer::close() { ::close(std::exchange(socket_, -1)); }

void Peer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void pause(std::chrono::milliseconds time) { ::poll(nullptr, 0, static_cast<int>(time.count())); }

namespace {

/// Why this machine has no ::1; empty if it has.
std::string why_no_ipv6() {
  const Address address = address_of(Place{"tcp6"});
  const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool can = socket >= 0 && ::bind(socket, address.get(), address.size) == 0;
  const std::string reason = can ? "" : std::string{"there is no ::1 here: "} + std::strerror(errno);
  if (socket >= 0) ::close(socket);
  return reason;
}

/// Without ::1 a test that fails over it is not run: CTest knows it by this line.
class NoIpv6Listener : public testing::EmptyTestEventListener {
  // GoogleTest holds its lock while it tells of a result: it must not be asked for the test then.
  void OnTestStart(const testing::TestInfo& test) override { test_ = test.name(); }
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed() || test_.ends_with("/tcp4") || test_.ends_with("/unix")) return;
    if (const std::string reason = why_no_ipv6(); !reason.empty()) std::cout << "NOT RUN: " << reason << std::endl;
  }

  std::string test_;
};

[[maybe_unused]] const bool is_listening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new NoIpv6Listener);
  return true;
}();

}  // namespace

#ifdef __linux__
void deny(int call, int error) {
  std::array<sock_filter, 4> filter{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    throw CannotRun{std::string{"a filter of system calls: "} + std::strerror(errno)};
  }
}
#endif

void become_other_user() {
  // The system call itself is for one thread; the C library's function is for all.
  for (const uid_t user : other_users) {
    if (user != ::geteuid() && ::syscall(SYS_setresuid, -1, user, -1) == 0) return;
  }
  throw CannotRun{std::string{"another user: setresuid: "} + std::strerror(errno)};
}

}  // namespace kcom5::test
