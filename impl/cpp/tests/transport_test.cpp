// Tests of the library over live sockets: cancelling, callbacks, timeouts, signals and memory, as a caller sees them.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <span>
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

TEST_P(EachTransport, SendsMuchDataFromEveryPlaceOfAPage) {
  constexpr std::size_t page = 4096, head = 8 + 4 + 0 + 8;
  const std::string data = counter(200'000);
  alignas(page) static std::array<std::uint8_t, 200'000 + page> memory;
  // By how much the head's end is ahead of the data's place.
  for (const std::size_t ahead : {0U, 1U, 16U, 31U, 32U, 33U, 1000U, 4095U}) {
    std::uint8_t* const from = memory.data() + (page + head - ahead) % page;
    std::ranges::copy(data, from);
    auto sent = start([&] { server_.send(std::span{from, data.size()}); });
    EXPECT_TRUE(client_.receive().text() == data) << ahead;
    EXPECT_EQ(sent.get(), "");
  }
}

#ifdef __linux__

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
