// Loops without a protocol, to compare with. What the arguments mean: ../ends/common.hpp. The ways:
//
//   best     writes of 1 MiB, congestion control that does not pace, buffers of 1 MiB where the system grants them;
//            memory that grows by mremap, in huge pages, with what arrives: the best loop that trusts no declared
//            length. Files: sendfile, and splice through a pipe.
//   framed   the same from memory to memory, after as many octets as the head of an exchange has: what that alone costs
//   plain    what is written first: std::vector of the declared size, recv, 64 KiB writes, a socket as it comes
//   minimum  the fewest system calls that hand over a little, the confirmed close included; nothing bounds its waiting
//            (only `small`)
//   bounded  the same, each wait with a bound: sockets that do not block, and a poll before what may have to wait (only
//            `small`): what the bounds alone cost
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "../ends/common.hpp"

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;
constexpr std::size_t head_size = 20;  // echo, and both lengths

long checked(long result, const char* what) {
  if (result < 0) bench::broken(what);
  return result;
}

struct Place {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Place place_of(std::string_view via, int port) {
  Place place;
  if (via == "ipv6") {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(static_cast<std::uint16_t>(port));
    place.size = sizeof address;
    std::memcpy(&place.address, &address, sizeof address);
  } else if (via == "ipv4") {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    place.size = sizeof address;
    std::memcpy(&place.address, &address, sizeof address);
  } else {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    via.copy(address.sun_path, sizeof address.sun_path - 1);
    place.size = sizeof address;
    std::memcpy(&place.address, &address, sizeof address);
  }
  return place;
}

enum class Waiting { in_the_call, bounded };

int flags_of(Waiting waiting) { return SOCK_CLOEXEC | (waiting == Waiting::bounded ? SOCK_NONBLOCK : 0); }

void wait_for(int socket, short events, Waiting waiting) {
  constexpr int bound = 250;  // after which ours looks up, too
  pollfd entry{.fd = socket, .events = events, .revents = 0};
  while (waiting == Waiting::bounded && checked(::poll(&entry, 1, bound), "poll") == 0) {
  }
}

int open_socket(const Place& place, Waiting waiting) {
  return static_cast<int>(checked(::socket(place.address.ss_family, SOCK_STREAM | flags_of(waiting), 0), "socket"));
}

void tune(int socket) {
  constexpr std::string_view name = "cubic";
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), name.size()) != 0)
    ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  constexpr int size = mib, unlocked = 0;
  int granted = 0;
  socklen_t length = sizeof granted;
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    ::setsockopt(socket, SOL_SOCKET, option, &size, sizeof size);
    ::getsockopt(socket, SOL_SOCKET, option, &granted, &length);  // twice what was asked for
    if (granted < 2 * size) ::setsockopt(socket, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof unlocked);
  }
}

int listen_on(const Place& place, Waiting waiting = Waiting::in_the_call) {
  const int listener = open_socket(place, waiting);
  const int one = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  checked(::bind(listener, reinterpret_cast<const sockaddr*>(&place.address), place.size), "bind");
  checked(::listen(listener, 1), "listen");
  return listener;
}

int port_of(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  checked(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  if (address.ss_family == AF_UNIX) return 0;
  in_port_t port = 0;  // at the same place in both families
  std::memcpy(&port, reinterpret_cast<const char*>(&address) + sizeof(sa_family_t), sizeof port);
  return ntohs(port);
}

int accept_from(int listener, Waiting waiting = Waiting::in_the_call) {
  wait_for(listener, POLLIN, waiting);
  const int socket = static_cast<int>(checked(::accept4(listener, nullptr, nullptr, flags_of(waiting)), "accept"));
  ::close(listener);
  return socket;
}

int connect_to(const Place& place, Waiting waiting = Waiting::in_the_call) {
  const int socket = open_socket(place, waiting);
  while (::connect(socket, reinterpret_cast<const sockaddr*>(&place.address), place.size) != 0) {
    if (errno == EALREADY) {
      wait_for(socket, POLLOUT, waiting);
    } else if (errno != EINPROGRESS) {
      bench::broken("connect");
    }
  }
  return socket;
}

void wait_for_close(int socket, Waiting waiting = Waiting::in_the_call) {
  std::array<char, 16> octets{};
  ::shutdown(socket, SHUT_WR);
  wait_for(socket, POLLIN, waiting);
  checked(::recv(socket, octets.data(), octets.size(), 0), "recv");
  ::close(socket);
}

void send_head(int socket) {
  const std::array<std::uint8_t, head_size> head{};
  checked(::send(socket, head.data(), head.size(), MSG_NOSIGNAL | MSG_MORE), "send");
}

void receive_head(int socket) {
  std::array<std::uint8_t, head_size> head{};
  checked(::recv(socket, head.data(), head.size(), MSG_WAITALL), "recv");
}

void send_memory(int socket, std::span<const std::uint8_t> data, std::size_t piece) {
  while (!data.empty()) {
    const long count = ::send(socket, data.data(), std::min(piece, data.size()), MSG_NOSIGNAL);
    data = data.subspan(static_cast<std::size_t>(checked(count, "send")));
  }
}

void send_file(int socket, int file, std::size_t left) {
  while (left > 0) {
    const long count = checked(::sendfile(socket, file, nullptr, left), "sendfile");
    if (count == 0) break;
    left -= static_cast<std::size_t>(count);
  }
}

/// Grows by doubling, from 64 KiB, as octets arrive.
std::span<const std::uint8_t> receive_growing(int socket) {
  std::size_t capacity = std::size_t{64} << 10;
  void* memory = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::size_t size = 0;
  for (;;) {
    if (memory == MAP_FAILED) bench::broken("mmap");
    const long count = checked(::recv(socket, static_cast<char*>(memory) + size, capacity - size, 0), "recv");
    if (count == 0) return {static_cast<const std::uint8_t*>(memory), size};
    size += static_cast<std::size_t>(count);
    if (size < capacity) continue;
    memory = ::mremap(memory, capacity, capacity * 2, MREMAP_MAYMOVE);
    capacity *= 2;
    if (memory != MAP_FAILED && capacity >= 2 * mib) ::madvise(memory, capacity, MADV_HUGEPAGE);
  }
}

void receive_plainly(int socket, std::vector<std::uint8_t>& octets) {
  for (std::size_t size = 0; size < octets.size();) {
    const long count = checked(::recv(socket, octets.data() + size, octets.size() - size, 0), "recv");
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
}

void receive_file(int socket, const char* name) {
  const int file = static_cast<int>(checked(::open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), name));
  std::array<int, 2> pipe{};
  checked(::pipe2(pipe.data(), O_CLOEXEC), "pipe");
  ::fcntl(pipe[1], F_SETPIPE_SZ, static_cast<int>(mib));
  for (;;) {
    long count = checked(::splice(socket, nullptr, pipe[1], nullptr, mib, SPLICE_F_MOVE), "splice");
    if (count == 0) break;
    while (count > 0)
      count -=
          checked(::splice(pipe[0], nullptr, file, nullptr, static_cast<std::size_t>(count), SPLICE_F_MOVE), "splice");
  }
  ::close(file);
}

void send(std::string_view way, bool is_file, std::string_view via, std::size_t size, const char* name) {
  const bool is_best = way != "plain";
  const std::vector<std::uint8_t> data = is_file ? std::vector<std::uint8_t>{} : bench::sample(size);
  const int listener = listen_on(place_of(via, 0));
  bench::tell_port(port_of(listener));
  const bench::Stopwatch watch;
  const int socket = accept_from(listener);
  if (is_best) tune(socket);
  if (is_file) {
    const int file = static_cast<int>(checked(::open(name, O_RDONLY | O_CLOEXEC), name));
    send_file(socket, file, size);
    ::close(file);
  } else {
    if (way == "framed") send_head(socket);
    send_memory(socket, data, is_best ? mib : std::size_t{64} << 10);
  }
  wait_for_close(socket);
  watch.print_cpu();
}

void receive(std::string_view way, bool is_file, std::string_view via, int port, std::size_t size, const char* name) {
  const bool is_best = way != "plain";
  std::vector<std::uint8_t> octets;
  std::span<const std::uint8_t> data;
  const bench::Stopwatch watch;
  const int socket = connect_to(place_of(via, port));
  if (is_best) tune(socket);
  if (way == "framed") receive_head(socket);
  if (is_file) {
    receive_file(socket, name);
  } else if (is_best) {
    data = receive_growing(socket);
  } else {
    octets.resize(size);
    receive_plainly(socket, octets);
    data = octets;
  }
  ::close(socket);
  watch.print_all();
  if (!is_file) bench::check_sample(data, size);
}

/// Hello, echo and frame of 8 + 4 + 8 + 64 octets in one write, half-close, and the client's close.
void small(Waiting waiting, std::string_view via, std::size_t count) {
  const std::vector<std::uint8_t> data = bench::sample(64);
  int listener = -1;
  const auto open = [&] {
    listener = listen_on(place_of(via, 0), waiting);
    return port_of(listener);
  };
  const auto give = [&] {
    const int socket = accept_from(listener, waiting);
    if (listener >= 0 && via.starts_with('/')) ::unlink(std::string{via}.c_str());
    std::array<std::uint8_t, head_size> opening{};
    wait_for(socket, POLLIN, waiting);
    checked(::recv(socket, opening.data(), 16, 0), "recv");
    opening[12] = static_cast<std::uint8_t>(data.size());
    std::array<iovec, 2> pieces{{{opening.data(), opening.size()},
                                 {const_cast<std::uint8_t*>(data.data()), data.size()}}};  // it is not written to
    checked(::writev(socket, pieces.data(), pieces.size()), "writev");
    wait_for_close(socket, waiting);
  };
  const auto take = [&](int port) {
    std::array<std::uint8_t, 8> hello{'K', 'C', 'O', 'M', '5'};
    checked(::getrandom(hello.data() + 5, 3, 0), "getrandom");
    const int socket = connect_to(place_of(via, port), waiting);
    checked(::send(socket, hello.data(), hello.size(), MSG_NOSIGNAL), "send");
    std::array<std::uint8_t, 4096> octets{};
    std::size_t size = 0;
    while (size < head_size + data.size()) {
      wait_for(socket, POLLIN, waiting);
      const long got = checked(::recv(socket, octets.data() + size, octets.size() - size, 0), "recv");
      if (got == 0) break;
      size += static_cast<std::size_t>(got);
    }
    ::close(socket);
    bench::check_sample(std::span{octets}.subspan(head_size, data.size()), data.size());
  };
  bench::print_small(count, open, give, take);
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string_view> words(arguments + 1, arguments + count);
  if (words.size() == 2 && words[1] == "idle") return 0;
  if (words.size() == 4 && words[1] == "small") {
    small(words[0] == "bounded" ? Waiting::bounded : Waiting::in_the_call, words[2], bench::number(words[3]));
  } else if (words.size() == 6 && words[1] == "send") {
    send(words[0], words[2] == "file", words[3], bench::number(words[4]), arguments[6]);
  } else if (words.size() == 7 && words[1] == "receive") {
    receive(words[0], words[2] == "file", words[3], static_cast<int>(bench::number(words[4])), bench::number(words[5]),
            arguments[7]);
  } else {
    return 2;
  }
  return 0;
}
