// What only a caller of the library sees, over live sockets: cancelling, callbacks, descriptors, memory, and errors of
// the system.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/socket.h>
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <set>
#include <span>
#include <sstream>
#include <string>

#include "kcom5/kcom5.hpp"
#include "system.hpp"

namespace kcom5::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds patience = 30s;  // T where it must not matter

std::string counter(std::size_t size) {
  std::string octets(size, '\0');
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<char>(i % 251);
  return octets;
}

std::string read_file(const fs::path& path) {
  std::ostringstream octets;  // takes blocks: an iterator over the stream takes seconds in a build with a sanitizer
  octets << std::ifstream{path, std::ios::binary}.rdbuf();
  return octets.str();
}

void write_file(const fs::path& path, const std::string& octets) { std::ofstream{path, std::ios::binary} << octets; }

std::set<std::string> entries(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator{folder}) names.insert(entry.path().filename());
  return names;
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

/// A server, a client, and a folder. The suite has IPv6, too: its code differs in nothing that is tested here.
class EachTransport : public testing::TestWithParam<const char*> {
 protected:
  EachTransport() {
    std::string folder = fs::temp_directory_path() / "kcom5-test-XXXXXX";
    folder_ = ::mkdtemp(folder.data());
    server_ = new_end<Server>();
    client_ = new_end<Client>();
  }
  ~EachTransport() override { fs::remove_all(folder_); }

  [[nodiscard]] bool is_unix() const { return std::string{GetParam()} == "unix"; }

  template <class End>
  [[nodiscard]] End new_end() const {
    End end;
    end.ipv6 = false;
    end.port = 0;
    end.timeout = patience;
    if (is_unix()) end.path = folder_ / "socket";
    return end;
  }

  /// Opens the server, and sends in another thread. Gives the name of the failure.
  template <class Send>
  std::future<std::string> start(Send send) {
    client_.port = server_.open();
    return std::async(std::launch::async, [send] { return failure_of(send); });
  }
  std::future<std::string> start_sending(const std::string& data) {
    return start([this, data] { server_.send(bytes_of(data)); });
  }

  fs::path folder_;
  Server server_;
  Client client_;
};

INSTANTIATE_TEST_SUITE_P(Transports, EachTransport, testing::Values("tcp4", "unix"),
                         [](const auto& transport) { return transport.param; });

TEST_P(EachTransport, OpensMovesAndServesAgain) {
  client_.wait = patience;  // until it is open again
  client_.port = server_.open();
  Server server{std::move(server_)};
  server.port = client_.port;
  for (const std::size_t size : {10U, 0U}) {
    auto received = std::async(std::launch::async, [&] { return client_.receive().size(); });
    EXPECT_EQ(server.send(bytes_of(counter(size))).size, size);
    EXPECT_EQ(received.get(), size);
  }
  server.open();
  server = Server{};
  EXPECT_EQ(entries(folder_), std::set<std::string>{});
}

TEST_P(EachTransport, IsCancelledInEveryWait) {
  const std::string data = counter(64 << 20);
  const std::array<ByteView, 1> hello{bytes_of("KCOM5abc")};
  enum Client { absent, silent, reading_nothing };
  for (const Client kind : {absent, silent, reading_nothing}) {
    Server server = new_end<Server>();
    const int port = server.open();
    auto result = std::async(std::launch::async, [&] { return failure_of([&] { server.send(bytes_of(data)); }); });
    std::error_code ec;
    const system::Endpoint place = is_unix() ? system::endpoint_of_path(server.path) : system::loopback(false, port);
    const system::Descriptor client = system::open_socket(place, ec);
    if (kind != absent) (void)system::connect(client.get(), place);
    if (kind == reading_nothing) {
      system::wait(client.get(), {.write = true}, patience);
      system::send(client.get(), hello, ec);
      EXPECT_TRUE(system::wait(client.get(), {.read = true}, patience).read);
    }
    server.cancel();
    EXPECT_EQ(result.get(), "io");
  }
  client_.timeout = forever;
  client_.port = server_.open();
  auto result = std::async(std::launch::async, [&] { return failure_of([&] { (void)client_.receive(); }); });
  system::wait(system::none, {}, 50ms);  // it waits for the echo
  client_.cancel();
  EXPECT_EQ(result.get(), "io");
}

TEST_P(EachTransport, LeavesNothingBehindACallbackThatThrows) {
  struct Thrown {};
  const auto fail = [](auto&&...) { throw Thrown{}; };
  server_.listening = fail;
  EXPECT_THROW(server_.open(), Thrown);
  EXPECT_THROW(server_.send({}), Thrown);
  EXPECT_EQ(entries(folder_), std::set<std::string>{});
  server_.listening = nullptr;

  const std::string data = counter(16 << 20);
  server_.progress = fail;
  auto sent = start([&] { EXPECT_THROW(server_.send(bytes_of(data)), Thrown); });
  EXPECT_NE(failure_of([&] { (void)client_.receive(); }), "");
  EXPECT_EQ(sent.get(), "");
  server_.progress = nullptr;

  // The server may be within sendfile() then, which must raise no signal.
  write_file(folder_ / "in", counter(8 << 20));
  client_.progress = [](std::uint64_t done, std::uint64_t total) {
    if (done > total / 16) throw Thrown{};
  };
  for (int round = 0; round < 100; ++round) {
    sent = start([&] { server_.send_file(folder_ / "in"); });
    if (round % 2 == 0) {
      EXPECT_THROW((void)client_.receive(), Thrown);
    } else {
      EXPECT_THROW(client_.receive_file(folder_ / "out"), Thrown);
    }
    EXPECT_EQ(sent.get(), "unconfirmed");
  }
  EXPECT_EQ(entries(folder_), std::set<std::string>{"in"});
}

TEST_P(EachTransport, RemovesTheMessageIfTheDataGetsNoName) {
  auto sent = start_sending(counter(100));
  client_.message = "before";
  client_.message_file = folder_ / "message";
  client_.no_clobber = true;
  client_.progress = [&](std::uint64_t, std::uint64_t) { write_file(folder_ / "out", "of another"); };
  EXPECT_EQ(failure_of([&] { client_.receive_file(folder_ / "out"); }), "io");
  EXPECT_EQ(sent.get(), "unconfirmed");
  EXPECT_EQ(client_.message, "before");
  EXPECT_EQ(entries(folder_), std::set<std::string>{"out"});
  EXPECT_EQ(read_file(folder_ / "out"), "of another");
}

TEST_P(EachTransport, WritesInPlaceToAPipeAndLeavesItsDescriptorAsItWas) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  auto sent = start_sending(counter(1000));
  EXPECT_EQ(client_.receive_descriptor(ends[1]), 1000U);
  EXPECT_EQ(sent.get(), "");
  EXPECT_EQ(client_.written_in_place(), 1000U);

  sent = start_sending(counter(1 << 20));  // more than the pipe takes, and nobody reads it
  client_.timeout = 1s;
  EXPECT_EQ(failure_of([&] { client_.receive_descriptor(ends[1]); }), "timeout");
  EXPECT_EQ(sent.get(), "unconfirmed");
  EXPECT_GT(client_.written_in_place(), 0U);
  EXPECT_EQ(::fcntl(ends[1], F_GETFL), O_WRONLY);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_P(EachTransport, TakesATimeoutOfAnyValueAndWaitsFromTheOpeningOn) {
  server_.timeout = client_.timeout = forever - 1ms;
  auto sent = start_sending("data");
  EXPECT_EQ(client_.receive().text(), "data");
  EXPECT_EQ(sent.get(), "");
  for (const std::chrono::milliseconds timeout : {0ms, -1ms, std::chrono::milliseconds::min()}) {
    server_.timeout = timeout;
    EXPECT_EQ(failure_of([&] { server_.send({}); }), "timeout");
  }
  server_.timeout = 4s;
  server_.open();
  system::wait(system::none, {}, 4s);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(failure_of([&] { server_.send({}); }), "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 4s);
}

TEST_P(EachTransport, BearsSignalsThatInterruptItsCalls) {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, nullptr);  // without SA_RESTART
  const itimerval often{.it_interval = {0, 1000}, .it_value = {0, 1000}};
  const itimerval never{};
  auto sent = start_sending(counter(8 << 20));
  ::setitimer(ITIMER_REAL, &often, nullptr);
  EXPECT_EQ(client_.receive().size(), std::size_t{8} << 20);
  EXPECT_EQ(sent.get(), "");
  ::setitimer(ITIMER_REAL, &never, nullptr);
}

class UnixPath : public EachTransport {};
INSTANTIATE_TEST_SUITE_P(Transports, UnixPath, testing::Values("unix"));

TEST_P(UnixPath, WaitsForTheLockOfTheFolder) {
  const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(folder, LOCK_EX), 0);
  auto opened = std::async(std::launch::async, [&] { return failure_of([&] { server_.open(); }); });
  EXPECT_EQ(opened.wait_for(100ms), std::future_status::timeout);
  ::close(folder);
  EXPECT_EQ(opened.get(), "");
}

TEST_P(UnixPath, IsGivenToOneOfServersThatComeAtOneInstant) {
  for (int round = 0; round < 1000; ++round) {
    // Every other time there is the file of a server that has died.
    const system::Endpoint place = system::endpoint_of_path(server_.path);
    std::error_code ec;
    if (round % 2 == 0) (void)system::bind(system::open_socket(place, ec).get(), place);
    std::barrier start{4};
    std::barrier end{4};
    std::array<std::future<std::string>, 4> servers;
    for (auto& result : servers) {
      result = std::async(std::launch::async, [&] {
        Server server = new_end<Server>();
        start.arrive_and_wait();
        const std::string failure = failure_of([&] { server.open(); });
        end.arrive_and_wait();
        return failure;
      });
    }
    std::multiset<std::string> failures;
    for (auto& result : servers) failures.insert(result.get());
    ASSERT_EQ(failures, (std::multiset<std::string>{"", "in-use", "in-use", "in-use"})) << round;
    ASSERT_EQ(entries(folder_), std::set<std::string>{}) << round;
  }
}

TEST_P(EachTransport, SendsMuchDataFromEveryPlaceOfAPage) {
  constexpr std::size_t page = 4096, head = 8 + 4 + 0 + 8;
  const std::string data = counter(200'000);
  alignas(page) static std::array<std::uint8_t, 200'000 + page> memory;
  // By how much the head's end is ahead of the data's place.
  for (const std::size_t ahead : {0U, 1U, 16U, 31U, 32U, 33U, 1000U, 4095U}) {
    std::uint8_t* const from = memory.data() + (page + head - ahead) % page;
    std::ranges::copy(data, from);
    std::set<std::uint64_t> progress;
    server_.progress = [&](std::uint64_t done, std::uint64_t) { progress.insert(done); };
    auto sent = start([&] { server_.send(std::span{from, data.size()}); });
    EXPECT_TRUE(client_.receive().text() == data) << ahead;
    EXPECT_EQ(sent.get(), "");
#ifdef __linux__
    // A send that ends 31 bytes before the end of a chunk.
    if (ahead >= 1 && ahead <= 31 && !is_unix()) {
      EXPECT_TRUE(progress.contains(65536 - 31 - head)) << ahead;
    }
#endif
  }
}

#ifdef SO_BUF_LOCK
TEST_P(EachTransport, AsksForLargeBuffersForMuchDataWhereTheyAreGranted) {
  const auto is_granted = [](const char* file) {
    std::size_t most = 0;
    std::ifstream{file} >> most;
    return most >= std::size_t{1} << 20;
  };
  const bool is_send_granted = is_granted("/proc/sys/net/core/wmem_max");
  const bool is_receive_granted = is_granted("/proc/sys/net/core/rmem_max");
  for (const auto& [size, to_file] : {std::pair{65536U, false}, {65537U, false}, {65537U, true}}) {
    auto sent = start_sending(counter(size));
    int asked = 0;
    bool is_told = false;
    client_.progress = [&](std::uint64_t done, std::uint64_t total) {
      if (done == total) return;  // the server may have closed
      for (int descriptor = 0; descriptor < 256; ++descriptor) {
        int locks = 0;
        socklen_t length = sizeof locks;
        if (::getsockopt(descriptor, SOL_SOCKET, SO_BUF_LOCK, &locks, &length) != 0) continue;
        is_told = true;
        asked |= locks;
      }
    };
    EXPECT_EQ(to_file ? client_.receive_file(folder_ / "out") : client_.receive().size(), size);
    EXPECT_EQ(sent.get(), "");
    if (!is_told) GTEST_SKIP() << "NOT RUN: needs Linux 5.14";
    EXPECT_EQ((asked & SOCK_SNDBUF_LOCK) != 0, size > 65536 && is_send_granted) << size;
    EXPECT_EQ((asked & SOCK_RCVBUF_LOCK) != 0, size > 65536 && !to_file && is_receive_granted) << size;
  }
}
#endif

#ifdef __linux__

/// From here on the system answers this thread's calls of one kind with an error.
void deny(int call, int error) {
  std::array<sock_filter, 4> filter{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0) << "a filter of system calls";
}

/// The failure of `call` in a thread of which the system denies a call.
template <class Call>
std::string failure_without(int denied, int error, Call call) {
  return std::async(std::launch::async,
                    [&] {
                      deny(denied, error);
                      return failure_of(call);
                    })
      .get();
}

TEST_P(EachTransport, HandsOverFilesAlsoWhereTheSystemDoesNotMoveThem) {
  constexpr int no_call = -1;
  const fs::path in = folder_ / "in", out = folder_ / "out";
  for (const std::size_t size : {16384U, 16385U, (5U << 20) + 3}) {
    const std::string data = counter(size);
    write_file(in, data);
    for (const int call : {no_call, SYS_sendfile, SYS_pipe2, SYS_splice}) {
      auto sent = start([&] {
        deny(call, ENOSYS);
        server_.send_file(in);
      });
      EXPECT_EQ(failure_without(call, ENOSYS, [&] { client_.receive_file(out); }), "");
      EXPECT_EQ(sent.get(), "");
      EXPECT_TRUE(read_file(out) == data) << call;
    }
  }
  const std::string data = read_file(in);
  std::string expected;
  for (const int flag : {O_TRUNC, O_APPEND}) {  // splice() does not append
    auto sent = start([&] { server_.send_file(in); });
    const int descriptor = ::open(out.c_str(), O_WRONLY | flag);
    EXPECT_EQ(client_.receive_descriptor(descriptor), data.size());
    EXPECT_EQ(::close(descriptor), 0);
    EXPECT_EQ(sent.get(), "");
    expected += data;
    EXPECT_TRUE(read_file(out) == expected);
  }
}

TEST_P(EachTransport, LeavesNoFileThatCannotGetAName) {
  auto sent = start_sending(counter(100'000));
  EXPECT_EQ(failure_without(SYS_linkat, ENOSYS, [&] { client_.receive_file(folder_ / "out"); }), "io");
  EXPECT_EQ(sent.get(), "unconfirmed");
  EXPECT_EQ(entries(folder_), std::set<std::string>{});
}

TEST_P(EachTransport, GivesErrorsOfTheSystemTheirNames) {
  client_.port = 1;
  client_.timeout = server_.timeout = 1s;
  const auto serve = [&] { server_.send({}); };
  const auto receive = [&] { (void)client_.receive(); };
  EXPECT_EQ(failure_without(SYS_socket, EMFILE, serve), "io");
  EXPECT_EQ(failure_without(SYS_socket, EMFILE, receive), "io");
  for (const int error : {ECONNRESET, EPIPE, ENOTCONN, ECONNABORTED}) {
    EXPECT_EQ(failure_without(SYS_connect, error, receive), "invalid-connection");
  }
  // A connection that was lost in the queue was not the first client.
  EXPECT_EQ(failure_without(SYS_accept4, ECONNABORTED, serve), "timeout");
  // The client dials again if the kernel gives up before T.
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(failure_without(SYS_connect, ETIMEDOUT, receive), "timeout");
  EXPECT_GE(std::chrono::steady_clock::now() - before, 1s);
}

TEST(Buffer, GrowsInProportionWithoutACopyInMemoryAndKeepsItsOctets) {
  const auto peak = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::size_t>(usage.ru_maxrss) << 10;
  };
  const std::string data = counter(64 << 20);
  [[maybe_unused]] const std::size_t before = peak();
  Buffer buffer;
  EXPECT_TRUE(buffer.empty());
  while (buffer.size() < data.size()) {
    const std::span<std::uint8_t> room = buffer.room(data.size() - buffer.size());
    ASSERT_LE(room.size(), std::max<std::size_t>(buffer.size(), 64 << 10));  // `limit.memory`
    const std::size_t count = std::min<std::size_t>(room.size(), 777'777);
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(buffer.size()), count, room.begin());
    buffer.filled(count);
  }
#ifndef KCOM5_NO_MREMAP
  EXPECT_LT(peak() - before, data.size() + (16 << 20));
#endif
  Buffer moved{std::move(buffer)};
  buffer = std::move(moved);
  EXPECT_TRUE(buffer.text() == data);
  // What is declared does not count: it doubles.
  EXPECT_EQ(buffer.room(~std::uint64_t{0}).size(), data.size());
}

#endif

}  // namespace
}  // namespace kcom5::test
