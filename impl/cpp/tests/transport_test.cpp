// What live sockets show that no vector can: files and descriptors, what is left behind, memory, cancellation.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/socket.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "kcom5/kcom5.hpp"
#include "peer.hpp"

namespace kcom5::test {
namespace {

namespace fs = std::filesystem;

const Bytes hello = from_hex("4b 43 4f 4d 35 aa bb cc");

Bytes counter(std::size_t size) {
  Bytes octets(size);
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::uint8_t>(i % 251);
  return octets;
}

Bytes read_file(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}

void write_file(const fs::path& path, const Bytes& octets) {
  std::ofstream out{path, std::ios::binary};
  out.write(reinterpret_cast<const char*>(octets.data()), static_cast<std::streamsize>(octets.size()));
}

/// The name of the failure of `call`, or "" for success.
template <class Call>
std::string failure_of(Call call) {
  try {
    call();
  } catch (const Failure& failure) {
    return std::string{name(failure.error())};
  }
  return "";
}

std::set<std::string> entries(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator{folder}) names.insert(entry.path().filename());
  return names;
}

/// A server that sends in a thread, and the place where it listens.
template <class Send>
class Sending {
 public:
  Sending(Place& place, Send send, int close = 5) {
    server_.ipv6 = place.is_ipv6();
    server_.port = 0;
    server_.close = close;
    if (place.is_unix()) server_.path = place.path();
    server_.msg = "hi";
    std::promise<int> listening;
    server_.listening = [&](int port) { listening.set_value(port); };
    result_ = std::async(std::launch::async, [this, send] { return failure_of([&] { send(server_); }); });
    std::future<int> port = listening.get_future();
    // A failure before it listens would leave us waiting.
    while (port.wait_for(std::chrono::milliseconds{10}) != std::future_status::ready) {
      if (result_.wait_for(std::chrono::milliseconds{0}) == std::future_status::ready) return;
    }
    place.port = port.get();
  }
  std::string result() { return result_.get(); }
  Server& server() { return server_; }

 private:
  Server server_;
  std::future<std::string> result_;
};

auto sending(Place& place, const Bytes& data) {
  return Sending{place, [data](Server& server) { server.send(data); }};
}

Client client_at(const Place& place) {
  Client client;
  client.ipv6 = place.is_ipv6();
  client.port = place.port;
  client.close = 5;
  if (place.is_unix()) client.path = place.path();
  return client;
}

class EachTransport : public testing::TestWithParam<const char*> {
 protected:
  Place place_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Transports, EachTransport, testing::Values("tcp6", "tcp4", "unix"),
                         [](const auto& transport) { return transport.param; });

TEST_P(EachTransport, HandsOverMemory) {
  for (const std::size_t size : {0U, 1U, 65535U, 65536U, 1U << 20, 1U << 24}) {
    const Bytes data = counter(size);
    auto server = sending(place_, data);
    Client client = client_at(place_);
    EXPECT_TRUE(std::ranges::equal(client.receive().octets(), data));
    EXPECT_EQ(client.msg, "hi");
    EXPECT_EQ(server.result(), "");
  }
}

TEST_P(EachTransport, HandsOverFiles) {
  for (const std::size_t size : {0U, 16384U, 16385U, 1U << 20, (1U << 20) + 1, (5U << 20) + 3}) {
    const Bytes data = counter(size);
    write_file(place_.folder() / "in", data);
    Sending server{place_, [&](Server& s) { s.send_file(place_.folder() / "in"); }};
    Client client = client_at(place_);
    EXPECT_EQ(client.receive_file(place_.folder() / "out"), data.size());
    EXPECT_EQ(server.result(), "");
    EXPECT_EQ(read_file(place_.folder() / "out"), data);
    EXPECT_EQ(fs::status(place_.folder() / "out").permissions(), fs::perms{0600});
    EXPECT_EQ(entries(place_.folder()), (std::set<std::string>{"in", "out"}));
  }
}

TEST_P(EachTransport, HandsOverDescriptors) {
  const Bytes data = counter(200'000);
  int in[2];
  ASSERT_EQ(::pipe(in), 0);
  const auto feed = std::async(std::launch::async, [&] {
    for (std::size_t at = 0; at < data.size();) {
      const ssize_t count = ::write(in[1], data.data() + at, data.size() - at);
      at += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    ::close(in[1]);
  });
  Sending server{place_, [&](Server& s) { s.send_descriptor(in[0]); }};
  const fs::path out = place_.folder() / "out";
  const int descriptor = ::open(out.c_str(), O_WRONLY | O_CREAT, 0600);
  Client client = client_at(place_);
  EXPECT_EQ(client.receive_descriptor(descriptor), data.size());
  EXPECT_EQ(::close(descriptor), 0);
  EXPECT_EQ(server.result(), "");
  EXPECT_EQ(read_file(out), data);
  ::close(in[0]);
}

#ifdef __linux__
/// From here on the system tells this thread that it has no such call.
void deny(int call) {
  std::array<sock_filter, 4> filter{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
  ASSERT_EQ(::syscall(call, -1, nullptr, -1, nullptr, 0, 0), -1);
  ASSERT_EQ(errno, ENOSYS);
}

TEST_P(EachTransport, HandsOverFilesWhereTheSystemDoesNotMoveThem) {
  const Bytes data = counter((5 << 20) + 3);
  const fs::path in = place_.folder() / "in";
  const fs::path out = place_.folder() / "out";
  write_file(in, data);
  for (const int call : {SYS_sendfile, SYS_pipe2, SYS_splice}) {
    Sending server{place_, [&](Server& s) {
                     deny(call);
                     s.send_file(in);
                   }};
    const auto received = std::async(std::launch::async, [&] {
      deny(call);
      return client_at(place_).receive_file(out);
    });
    received.wait();
    EXPECT_EQ(server.result(), "");
    EXPECT_EQ(read_file(out), data);
  }
}
#endif

TEST_P(EachTransport, SendsMuchDataFromEveryPlaceOfAPage) {
  constexpr std::size_t page = 4096;
  const std::size_t head = 8 + 4 + std::string{"hi"}.size() + 8;
  const Bytes data = counter(200'000);
  Bytes memory(data.size() + 2 * page);
  // By how much the head's end is ahead of the data's place.
  for (const std::size_t ahead : std::array<std::size_t, 8>{0, 1, 16, 31, 32, 33, 1000, 4095}) {
    void* start = memory.data();
    std::size_t room = memory.size();
    std::uint8_t* const from =
        static_cast<std::uint8_t*>(std::align(page, data.size() + page, start, room)) + (page + head - ahead) % page;
    std::ranges::copy(data, from);
    std::set<std::uint64_t> sent;
    Sending server{place_, [&](Server& s) {
                     s.progress = [&](std::uint64_t done, std::uint64_t /*size*/) { sent.insert(done); };
                     s.send(std::span{from, data.size()});
                   }};
    const Buffer received = client_at(place_).receive();
    EXPECT_EQ(server.result(), "");
    EXPECT_TRUE(std::ranges::equal(received.octets(), data)) << ahead;
#ifdef __linux__
    // A send that ends 31 octets before the end of a chunk.
    if (ahead >= 1 && ahead <= 31 && !place_.is_unix()) {
      EXPECT_TRUE(sent.contains(65536 - 31 - head)) << ahead;
    }
#endif
  }
}

#ifdef SO_BUF_LOCK
/// Which buffers of this process's sockets have a size that was asked for: SOCK_SNDBUF_LOCK, SOCK_RCVBUF_LOCK.
/// Negative: the system does not tell.
int asked_buffers() {
  int all = -1;
  for (int descriptor = 0; descriptor < 256; ++descriptor) {
    int locks = 0;
    socklen_t size = sizeof locks;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_BUF_LOCK, &locks, &size) == 0) all = std::max(all, 0) | locks;
  }
  return all;
}

bool is_granted(const char* way) {
  std::size_t most = 0;
  std::ifstream{std::string{"/proc/sys/net/core/"} + way + "mem_max"} >> most;
  return most >= std::size_t{1} << 20;
}

TEST_P(EachTransport, AsksForLargeBuffersForMuchDataWhereTheyAreGranted) {
  const fs::path out = place_.folder() / "out";
  for (const auto& [size, to_file] : {std::pair{65536U, false}, {65537U, false}, {65537U, true}}) {
    const Bytes data = counter(size);
    Sending server{place_, [&](Server& s) { s.send(data); }};
    Client client = client_at(place_);
    int asked = 0;
    bool is_told = true;
    client.progress = [&](std::uint64_t done, std::uint64_t) {
      if (done == size) return;  // it has closed
      const int now = asked_buffers();
      is_told = is_told && now >= 0;
      asked |= now;
    };
    EXPECT_EQ(to_file ? client.receive_file(out) : client.receive().size(), size);
    EXPECT_EQ(server.result(), "");
    if (!is_told) GTEST_SKIP() << "NOT RUN: needs Linux 5.14";
    EXPECT_EQ((asked & SOCK_SNDBUF_LOCK) != 0, size > 65536 && is_granted("w")) << size;
    EXPECT_EQ((asked & SOCK_RCVBUF_LOCK) != 0, size > 65536 && !to_file && is_granted("r")) << size;
  }
}
#endif

TEST_P(EachTransport, AppendsToADescriptor) {
  const Bytes data = counter((5 << 20) + 3);
  const fs::path out = place_.folder() / "out";
  write_file(place_.folder() / "in", data);
  write_file(out, hello);
  Sending server{place_, [&](Server& s) { s.send_file(place_.folder() / "in"); }};
  const int descriptor = ::open(out.c_str(), O_WRONLY | O_APPEND);  // to which splice() moves nothing
  EXPECT_EQ(client_at(place_).receive_descriptor(descriptor), data.size());
  ::close(descriptor);
  EXPECT_EQ(server.result(), "");
  Bytes expected = hello;
  expected.insert(expected.end(), data.begin(), data.end());
  EXPECT_EQ(read_file(out), expected);
}

TEST_P(EachTransport, RaisesNoSignalWhenTheClientOfAFileIsGone) {
  write_file(place_.folder() / "in", counter(64 << 20));
  bool is_pending = true;
  Sending server{place_, [&](Server& s) {
                   const auto at_end = [&] {
                     sigset_t pending;
                     ::sigpending(&pending);
                     is_pending = ::sigismember(&pending, SIGPIPE) != 0;
                   };
                   try {
                     s.send_file(place_.folder() / "in");
                   } catch (...) {
                     at_end();
                     throw;
                   }
                 }};
  Peer peer = Peer::dial(place_);
  peer.send(hello);
  (void)peer.read(4 << 20);
  peer.reset();
  EXPECT_EQ(server.result(), "unconfirmed");
  EXPECT_FALSE(is_pending);
}

TEST_P(EachTransport, SendsTheRestOfADescriptor) {
  write_file(place_.folder() / "in", counter(1000));
  const int descriptor = ::open((place_.folder() / "in").c_str(), O_RDONLY);
  ASSERT_EQ(::lseek(descriptor, 990, SEEK_SET), 990);
  Sending server{place_, [&](Server& s) { s.send_descriptor(descriptor); }};
  Client client = client_at(place_);
  EXPECT_EQ(client.receive().size(), 10U);
  EXPECT_EQ(server.result(), "");
  ::close(descriptor);
}

TEST_P(EachTransport, LeavesNothingBehindWhateverHappened) {
  const auto count = [](const char* folder) { return std::distance(fs::directory_iterator{folder}, {}); };
  // A thread of the test's own may still be on its way out.
  const auto settle = [&](std::ptrdiff_t expected) {
    for (int i = 0; i < 1000 && count("/proc/self/task") > expected; ++i) pause(std::chrono::milliseconds{1});
    return count("/proc/self/task");
  };
  std::ptrdiff_t descriptors = 0;
  std::ptrdiff_t threads = 0;
  for (int i = 0; i < 300; ++i) {
    if (i == 20) {  // whatever is made once is made
      threads = count("/proc/self/task");
      descriptors = count("/proc/self/fd");
    }
    auto server = sending(place_, counter(i % 2 == 0 ? 10 : 100'000));
    switch (i % 5) {
      case 0: {
        Client client = client_at(place_);
        EXPECT_FALSE(client.receive().empty());
        EXPECT_EQ(server.result(), "");
        break;
      }
      case 1:
        Peer::dial(place_).send(from_hex("47 45 54"));
        EXPECT_EQ(server.result(), "invalid-connection");
        break;
      case 2: {
        Peer peer = Peer::dial(place_);
        peer.send(from_hex("4b"));
        peer.reset();
        EXPECT_EQ(server.result(), "invalid-connection");
        break;
      }
      case 3: {
        Client client = client_at(place_);
        client.limits.data = 1;
        EXPECT_EQ(failure_of([&] { (void)client.receive(); }), "over-limit");
        EXPECT_EQ(server.result(), "unconfirmed");
        break;
      }
      default: {
        Server second;
        second.ipv6 = place_.is_ipv6();
        second.port = place_.port;
        if (place_.is_unix()) second.path = place_.path();
        EXPECT_EQ(failure_of([&] { second.open(); }), "in-use");
        Client client = client_at(place_);
        EXPECT_FALSE(client.receive().empty());
        EXPECT_EQ(server.result(), "");
      }
    }
  }
  EXPECT_EQ(settle(threads), threads);
  EXPECT_EQ(count("/proc/self/fd"), descriptors);
  EXPECT_EQ(entries(place_.folder()), std::set<std::string>{});
}

TEST_P(EachTransport, IsNotInheritedByPrograms) {
  auto server = sending(place_, counter(10));
  int leaks = 0;
  for (const auto& entry : fs::directory_iterator{"/proc/self/fd"}) {
    std::error_code ignored;
    const std::string target = fs::read_symlink(entry.path(), ignored);
    const int flags = ::fcntl(std::stoi(entry.path().filename()), F_GETFD);
    if (target.starts_with("socket:") && flags >= 0 && (flags & FD_CLOEXEC) == 0) ++leaks;
  }
  EXPECT_EQ(leaks, 0);
  Client client = client_at(place_);
  EXPECT_EQ(client.receive().size(), 10U);
  EXPECT_EQ(server.result(), "");
}

TEST_P(EachTransport, KeepsTheMessageAfterAFailure) {
  Peer listener = Peer::listen(place_);
  const auto peer = std::async(std::launch::async, [&] {
    Peer connection = listener.accept();
    Bytes octets = connection.read(8);
    const Bytes head = from_hex("02 00 00 00 68 69 03 00 00 00 00 00 00 00 00");
    octets.insert(octets.end(), head.begin(), head.end());
    connection.send(octets);
  });
  Client client = client_at(place_);
  client.msg = "before";
  EXPECT_EQ(failure_of([&] { (void)client.receive(); }), "truncated");
  EXPECT_EQ(client.msg, "before");
}

TEST_P(EachTransport, LeavesNoPartOfAFileAndDoesNotTouchTheOldOne) {
  write_file(place_.folder() / "out", from_hex("01 02"));
  Peer listener = Peer::listen(place_);
  const auto peer = std::async(std::launch::async, [&] {
    Peer connection = listener.accept();
    Bytes octets = connection.read(8);
    const Bytes head = from_hex("00 00 00 00 ff ff ff ff ff ff ff 7f");
    octets.insert(octets.end(), head.begin(), head.end());
    octets.resize(octets.size() + (3 << 20));
    connection.send(octets);
    connection.reset();
  });
  Client client = client_at(place_);
  EXPECT_EQ(failure_of([&] { client.receive_file(place_.folder() / "out"); }), "truncated");
  EXPECT_EQ(read_file(place_.folder() / "out"), from_hex("01 02"));
  EXPECT_TRUE(
      std::ranges::none_of(entries(place_.folder()), [](const std::string& n) { return n.starts_with(".out"); }));
}

TEST_P(EachTransport, WritesThroughALinkAndToWhatIsNoFile) {
  write_file(place_.folder() / "target", {});
  fs::create_symlink("target", place_.folder() / "link");
  {
    auto server = sending(place_, counter(100));
    client_at(place_).receive_file(place_.folder() / "link");
    EXPECT_EQ(server.result(), "");
  }
  EXPECT_TRUE(fs::is_symlink(place_.folder() / "link"));
  EXPECT_EQ(read_file(place_.folder() / "target"), counter(100));

  const fs::path fifo = place_.folder() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [&] { return read_file(fifo); });
  auto server = sending(place_, counter(100));
  client_at(place_).receive_file(fifo);
  EXPECT_EQ(server.result(), "");
  EXPECT_EQ(reader.get(), counter(100));
  EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_P(EachTransport, TellsTheSenderWhenTheDataCannotBeStored) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "NOT RUN: there is no /dev/full";
  auto server = sending(place_, counter(16 << 20));
  Client client = client_at(place_);
  EXPECT_EQ(failure_of([&] { client.receive_file("/dev/full"); }), "io");
  EXPECT_EQ(server.result(), "unconfirmed");
}

TEST_P(EachTransport, IsCancelledInEveryWait) {
  {
    auto server = sending(place_, counter(10));
    server.server().cancel();
    EXPECT_EQ(server.result(), "io");
  }
  {
    auto server = sending(place_, counter(10));
    const Peer silent = Peer::dial(place_);
    server.server().cancel();
    EXPECT_EQ(server.result(), "io");
  }
  {
    auto server = sending(place_, counter(64 << 20));
    const Peer slow = Peer::dial(place_);
    slow.send(hello);
    slow.expect(hello);
    server.server().cancel();
    EXPECT_EQ(server.result(), "io");
  }
  Peer listener = Peer::listen(place_);
  Client client = client_at(place_);
  client.close = 0;
  auto result = std::async(std::launch::async, [&] { return failure_of([&] { (void)client.receive(); }); });
  const Peer silent = listener.accept();
  client.cancel();
  EXPECT_EQ(result.get(), "io");
}

TEST_P(EachTransport, SurvivesAFreezeInTheMiddle) {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);  // without SA_RESTART: waits are interrupted
  const pthread_t self = ::pthread_self();
  std::atomic<bool> done{false};
  auto pest = std::async(std::launch::async, [&] {
    while (!done) {
      ::pthread_kill(self, SIGUSR1);
      pause(std::chrono::milliseconds{1});
    }
  });
  auto server = sending(place_, counter(8 << 20));
  Client client = client_at(place_);
  EXPECT_EQ(client.receive().size(), std::size_t{8} << 20);
  EXPECT_EQ(server.result(), "");
  done = true;
}

TEST_P(EachTransport, DoesNotTimeOutATinyReader) {
  // The system takes all of it at once; then only what the client's system acknowledges shows that it moves.
  const Bytes data = counter(64 << 10);
  Sending server{place_, [&](Server& s) { s.send(data); }, 1};
  Peer peer = Peer::dial(place_);
  const int smallest = 1;
  ::setsockopt(peer.socket(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
  peer.send(hello);
  Bytes got;
  while (got.size() < 8 + 4 + 2 + 8 + 4096) got.push_back(peer.read(1)[0]);
  const Bytes rest = peer.read(data.size() - 4096);
  got.insert(got.end(), rest.begin(), rest.end());
  peer.expect_end(false);
  peer.close();
  EXPECT_EQ(server.result(), "");
  EXPECT_TRUE(std::equal(data.begin(), data.end(), got.begin() + 22));
}

TEST_P(EachTransport, BearsAClientThatWritesBeforeItReads) {
  const Bytes data = counter(16 << 20);
  auto server = sending(place_, data);
  Peer peer = Peer::dial(place_);
  peer.send(hello);
  peer.expect(hello);
  peer.send(Bytes(16 << 20));  // blocks until the server reads it
  (void)peer.read(4 + 2 + 8);
  peer.expect(data);
  peer.expect_end(false);
  peer.close();
  EXPECT_EQ(server.result(), "");
}

TEST_P(EachTransport, GrowsWithWhatArrivesAndNotWithWhatIsDeclared) {
  Peer listener = Peer::listen(place_);
  Client client = client_at(place_);
  client.close = 1;
  const auto resident = [] {
    std::ifstream in{"/proc/self/statm"};
    std::size_t pages = 0;
    in >> pages >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  };
  auto result = std::async(std::launch::async, [&] { return failure_of([&] { (void)client.receive(); }); });
  const Peer peer = listener.accept();
  Bytes octets = peer.read(8);
  const Bytes head = from_hex("00 00 00 00 ff ff ff ff ff ff ff ff");
  octets.insert(octets.end(), head.begin(), head.end());
  octets.resize(octets.size() + 1024);
  const std::size_t before = resident();
  peer.send(octets);
  std::size_t most = before;
  while (result.wait_for(std::chrono::milliseconds{20}) != std::future_status::ready) most = std::max(most, resident());
  EXPECT_EQ(result.get(), "timeout");
  if (!is_sanitized) {
    EXPECT_LT(most - before, std::size_t{64} << 20);
  }
}

TEST_P(EachTransport, GivesCodesInsteadOfExceptionsWhenAsked) {
  std::error_code ec;
  Client client = client_at(place_);
  client.port = 1;
  client.close = 1;
  (void)client.receive(ec);
  EXPECT_EQ(ec, make_error_code(Error::refused));
  client.receive_file(place_.folder() / "no" / "such", ec);
  EXPECT_EQ(error_of(ec), Error::io);
  EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
  Server server;
  server.port = 65536;
  if (place_.is_unix()) server.path = place_.folder() / "no" / "such";
  server.send(Bytes{}, ec);
  EXPECT_EQ(error_of(ec), place_.is_unix() ? Error::io : Error::invalid_port);
  server.port = 0;
  server.path = place_.is_unix() ? place_.path() : fs::path{};
  EXPECT_GE(server.open(ec), 0);
  EXPECT_FALSE(ec);
}

TEST(Server, RefusesToSendAFileThatBecameShorter) {
  const Place place{"tcp6"};
  write_file(place.folder() / "in", counter(64 << 20));
  Place at{"tcp6"};
  Sending server{at, [&](Server& s) { s.send_file(place.folder() / "in"); }};
  const Peer peer = Peer::dial(at);
  peer.send(hello);
  peer.expect(hello);  // the rest is more than the buffers take
  fs::resize_file(place.folder() / "in", 1 << 20);
  (void)peer.read(4 + 2 + 8);
  EXPECT_THROW((void)peer.read(64 << 20), Unexpected);
  EXPECT_EQ(server.result(), "io");
}

TEST(Server, SendsWhatAFileHoldsThatSaysItIsEmpty) {
  if (!fs::exists("/proc/version")) GTEST_SKIP() << "NOT RUN: there is no /proc/version";
  Place place{"tcp6"};
  Sending server{place, [](Server& s) { s.send_file("/proc/version"); }};
  Client client = client_at(place);
  const Buffer data = client.receive();
  EXPECT_TRUE(std::ranges::equal(data.octets(), read_file("/proc/version")));
  EXPECT_FALSE(data.empty());
  EXPECT_EQ(server.result(), "");
}

TEST(Server, TellsItsPortBeforeTheClientAndSendsTwiceOnIt) {
  Place place{"tcp6"};
  Server server;
  server.port = 0;
  server.close = 5;
  server.port = place.port = server.open();
  for (int i = 0; i < 2; ++i) {
    auto received = std::async(std::launch::async, [&] {
      Client client = client_at(place);
      client.msg = "no";
      for (;;) {
        try {
          return client.receive().size();
        } catch (const Failure& failure) {
          if (failure.error() != Error::refused) throw;
        }
      }
    });
    server.send(counter(10));
    EXPECT_EQ(received.get(), 10U);
  }
}

TEST(Server, MayBeMovedBetweenCalls) {
  Place place{"tcp6"};
  Server first;
  first.port = 0;
  first.close = 5;
  place.port = first.open();
  Server second{std::move(first)};
  auto received = std::async(std::launch::async, [&] { return client_at(place).receive().size(); });
  second.send(counter(10));
  EXPECT_EQ(received.get(), 10U);
}

TEST(Server, NeedsAPathThatASocketCanHave) {
  Server server;
  server.path = std::string(200, 'x');
  EXPECT_EQ(failure_of([&] { server.open(); }), "io");
  EXPECT_EQ(failure_of([&] { server.send(Bytes{}); }), "io");
}

TEST(Server, SaysIoWhenTheSystemHasNoMoreDescriptors) {
  if (is_sanitized) GTEST_SKIP() << "NOT RUN: the sanitizer needs descriptors itself";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);  // the lowest that is free
  ::close(next);
  const rlimit limit{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  Server server;
  server.port = 0;
  const std::string sent = failure_of([&] { server.open(); });
  Client client;
  const std::string received = failure_of([&] { (void)client.receive(); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(sent, "io");
  EXPECT_EQ(received, "io");
}

TEST(Client, GetsNothingFromAnotherServersQueue) {
  Place place{"tcp6"};
  Peer listener = Peer::listen(place);
  Client client = client_at(place);
  auto result = std::async(std::launch::async, [&] { return failure_of([&] { (void)client.receive(); }); });
  listener.accept().reset();
  EXPECT_EQ(result.get(), "invalid-connection");
}

TEST(Buffer, GrowsInProportionAndKeepsItsOctets) {
  Buffer buffer;
  EXPECT_TRUE(buffer.empty());
  const Bytes data = counter(5'000'000);
  std::size_t most = 0;
  for (std::size_t at = 0; at < data.size();) {
    const std::span<std::uint8_t> room = buffer.room(data.size() - at);
    ASSERT_LE(room.size(), std::max<std::size_t>(at, 64 << 10));  // `limit.memory`
    most = std::max(most, room.size());
    const std::size_t count = std::min<std::size_t>(room.size(), 77'777);
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), count, room.begin());
    buffer.filled(count);
    at += count;
  }
  EXPECT_EQ(buffer.to_vector(), data);
  EXPECT_LE(most, data.size());
  Buffer moved{std::move(buffer)};
  EXPECT_EQ(moved.size(), data.size());
  buffer = std::move(moved);
  EXPECT_EQ(buffer.text().size(), data.size());
  // What is declared does not count: it doubles.
  EXPECT_EQ(buffer.room(~std::uint64_t{0}).size(), data.size());
}

TEST(Buffer, GrowsWithoutAnotherCopyInMemory) {
  if (is_sanitized || !fs::exists("/proc/self/status")) GTEST_SKIP() << "NOT RUN: the memory's peak is not to be had";
  const auto peak = [] {
    std::ifstream in{"/proc/self/status"};
    std::string word;
    while (in >> word && word != "VmHWM:") continue;
    std::size_t kib = 0;
    in >> kib;
    return kib << 10;
  };
  constexpr std::size_t size = 256 << 20;
  const std::size_t before = peak();
  Buffer buffer;
  while (buffer.size() < size) {
    const std::span<std::uint8_t> room = buffer.room(size - buffer.size());
    std::ranges::fill(room, std::uint8_t{1});
    buffer.filled(room.size());
  }
  EXPECT_LT(peak() - before, size + (8 << 20));
}

}  // namespace
}  // namespace kcom5::test
