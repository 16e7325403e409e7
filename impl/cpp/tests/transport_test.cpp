// What live sockets show that no vector can: what is left behind, cancellation, errors.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>

#include "live.hpp"

namespace kcom5::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Transports, EachTransport, testing::Values("tcp6", "tcp4", "unix"),
                         [](const auto& transport) { return transport.param; });

TEST_P(EachTransport, HandsOverMemory) {
  for (const std::size_t size : {0U, 1U, 65535U, 65536U, 1U << 20, 1U << 24}) {
    const Bytes data = counter(size);
    auto server = sending(place_, data);
    Client client = client_at(place_);
    EXPECT_TRUE(std::ranges::equal(client.receive().bytes(), data));
    EXPECT_EQ(client.message, "hi");
    EXPECT_EQ(server.result(), "");
  }
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
  client.message = "before";
  EXPECT_EQ(failure_of([&] { (void)client.receive(); }), "truncated");
  EXPECT_EQ(client.message, "before");
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
  client.timeout = forever;
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
  const struct AtEnd {  // also if the server throws: the destructor of `pest` waits
    std::atomic<bool>& done;
    ~AtEnd() { done = true; }
  } at_end{done};
  auto server = sending(place_, counter(8 << 20));
  Client client = client_at(place_);
  EXPECT_EQ(client.receive().size(), std::size_t{8} << 20);
  EXPECT_EQ(server.result(), "");
}

TEST_P(EachTransport, ServesATinyReader) {
  const Bytes data = counter(64 << 10);
  Sending server{place_, [&](Server& s) { s.send(data); }};
  Peer peer = Peer::dial(place_);
  const int smallest = 1;
  ::setsockopt(peer.socket(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
  peer.send(hello);
  Bytes got;
  while (got.size() < 8 + 4 + 2 + 8 + 4096) got.push_back(peer.read(1)[0]);
  const Bytes rest = peer.read(data.size() - 4096);
  got.insert(got.end(), rest.begin(), rest.end());
  peer.expect_end();
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
  peer.expect_end();
  peer.close();
  EXPECT_EQ(server.result(), "");
}

TEST_P(EachTransport, GivesCodesInsteadOfExceptionsWhenAsked) {
  std::error_code ec;
  Client client = client_at(place_);
  client.port = 1;
  client.timeout = std::chrono::seconds{1};
  (void)client.receive(ec);
  EXPECT_EQ(ec, make_error_code(Error::refused));
  client.receive_file(place_.folder() / "no" / "such", ec);
  EXPECT_EQ(error_of(ec), Error::io);
  EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
  Server server;
  server.port = 65536;
  server.ipv6 = place_.is_ipv6();
  if (place_.is_unix()) server.path = place_.folder() / "no" / "such";
  server.send(Bytes{}, ec);
  EXPECT_EQ(error_of(ec), place_.is_unix() ? Error::io : Error::invalid_port);
  server.port = 0;
  server.path = place_.is_unix() ? place_.path() : fs::path{};
  EXPECT_GE(server.open(ec), 0);
  EXPECT_FALSE(ec);
}

TEST(Server, TellsItsPortBeforeTheClientAndSendsTwiceOnIt) {
  Place place{"tcp6"};
  Server server;
  server.port = 0;
  server.timeout = std::chrono::seconds{5};
  server.port = place.port = server.open();
  for (int i = 0; i < 2; ++i) {
    auto received = std::async(std::launch::async, [&] {
      Client client = client_at(place);
      client.message = "no";
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
  first.timeout = std::chrono::seconds{5};
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

TEST_P(EachTransport, TakesATimeoutOfAnyValue) {
  using std::chrono::milliseconds;
  const Bytes data = counter(10);
  for (const milliseconds timeout : {forever, forever - milliseconds{1}, timeout_of(std::numeric_limits<int>::max()),
                                     timeout_of(0), timeout_of(std::numeric_limits<int>::min())}) {
    Sending server{place_, [&](Server& s) {
                     s.timeout = timeout;
                     s.send(data);
                   }};
    Client client = client_at(place_);
    client.timeout = timeout;
    EXPECT_EQ(client.receive().to_vector(), data);
    EXPECT_EQ(server.result(), "");
  }
  for (const milliseconds timeout : {milliseconds{0}, milliseconds{-1}, milliseconds::min()}) {
    Sending server{place_, [&](Server& s) {
                     s.timeout = timeout;
                     s.send(data);
                   }};
    EXPECT_EQ(server.result(), "timeout");
  }
}

TEST_P(EachTransport, TellsWhetherTheSuccessIsConfirmed) {
  bool confirmed = false;
  Bytes data = counter(10);
  for (const bool half_closes : {false, true}) {
    Sending server{place_, [&](Server& s) { confirmed = s.send(data).confirmed; }};
    Peer peer = Peer::dial(place_);
    if (half_closes) {
      peer.send(Bytes(hello.begin(), hello.end() - 1));
      peer.send(Bytes{hello.back()});
      peer.half_close();
    } else {
      peer.send(hello);
    }
    (void)peer.read(8 + 4 + 2 + 8 + data.size());
    peer.expect_end();
    peer.close();
    EXPECT_EQ(server.result(), "");
    EXPECT_TRUE(half_closes || confirmed);
    data = counter(16 << 20);  // more than is taken at once: the end comes before
  }
  EXPECT_FALSE(confirmed);
}

TEST_P(EachTransport, IsNotKeptByAClientThatOnlyWrites) {
  for (const std::size_t size : {16U << 20, 10U}) {
    const Bytes data = counter(size);
    Sending server{place_, [&](Server& s) { s.send(data); }, 1};
    const Peer peer = Peer::dial(place_);
    peer.send(hello);
    peer.expect(hello);
    std::atomic<bool> is_over{false};
    auto pest = std::async(std::launch::async, [&] {
      for (int i = 0; i < 6000 && !is_over; ++i) {
        peer.send(Bytes{0});
        pause(std::chrono::milliseconds{5});
      }
      return !is_over;
    });
    EXPECT_EQ(server.result(), size > 10 ? "timeout" : "unconfirmed");
    is_over = true;
    EXPECT_FALSE(pest.get()) << "it ended when the client stopped";
  }
}

TEST_P(EachTransport, LeavesNothingBehindACallbackThatThrows) {
  struct Thrown {};
  const auto fail = [](auto&&...) { throw Thrown{}; };
  Server server;
  server.ipv6 = place_.is_ipv6();
  server.port = 0;
  server.timeout = std::chrono::seconds{5};
  if (place_.is_unix()) server.path = place_.path();
  server.listening = fail;
  EXPECT_THROW(server.open(), Thrown);
  EXPECT_THROW(server.send(hello), Thrown);
  EXPECT_EQ(entries(place_.folder()), std::set<std::string>{});
  {
    Sending sender{place_, [&](Server& s) {
                     s.progress = fail;
                     EXPECT_THROW(s.send(counter(16 << 20)), Thrown);
                   }};
    EXPECT_NE(failure_of([&] { (void)client_at(place_).receive(); }), "");
    EXPECT_EQ(sender.result(), "");
  }
  for (const char* const file : {"", "out"}) {
    auto sender = sending(place_, counter(10));
    Client client = client_at(place_);
    client.progress = fail;
    if (*file == '\0') {
      EXPECT_THROW((void)client.receive(), Thrown);
    } else {
      EXPECT_THROW(client.receive_file(place_.folder() / file), Thrown);
    }
    EXPECT_EQ(sender.result(), "unconfirmed");
  }
  EXPECT_EQ(entries(place_.folder()), std::set<std::string>{});
}

TEST_P(EachTransport, DialsAgainWhileNobodyListens) {
  if (!place_.is_unix()) Peer::listen(place_);  // a port that was free a moment ago
  auto received = std::async(std::launch::async, [&] {
    Client client = client_at(place_);
    client.wait = std::chrono::seconds{5};
    return client.receive().size();
  });
  Server server;
  server.ipv6 = place_.is_ipv6();
  server.port = place_.port;
  if (place_.is_unix()) server.path = place_.path();
  server.timeout = std::chrono::seconds{5};
  pause(std::chrono::milliseconds{100});
  server.send(counter(10));
  EXPECT_EQ(received.get(), 10U);
  Client client = client_at(place_);
  EXPECT_EQ(failure_of([&] { (void)client.receive(); }), "refused");
}

TEST_P(EachTransport, WaitsFromTheOpeningOn) {
  Server server;
  server.ipv6 = place_.is_ipv6();
  server.port = 0;
  server.timeout = std::chrono::seconds{4};
  if (place_.is_unix()) server.path = place_.path();
  server.open();
  pause(std::chrono::seconds{4});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(failure_of([&] { server.send(hello); }), "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{4});
}

#ifdef __linux__
TEST(Client, DialsAgainWhenTheKernelGivesUp) {
  const std::string result = std::async(std::launch::async, [] {
                               deny(SYS_connect, ETIMEDOUT);
                               Client client;
                               client.timeout = std::chrono::seconds{1};
                               const auto start = std::chrono::steady_clock::now();
                               const std::string failure = failure_of([&] { (void)client.receive(); });
                               const bool is_early = std::chrono::steady_clock::now() - start < std::chrono::seconds{1};
                               return is_early ? "early" : failure;
                             }).get();
  EXPECT_EQ(result, "timeout");
}

TEST(Client, TakesAConnectionThatIsResetForNoSuccess) {
  for (const int error : {ECONNRESET, EPIPE, ENOTCONN, ECONNABORTED}) {
    EXPECT_EQ(std::async(std::launch::async,
                         [error] {
                           deny(SYS_connect, error);
                           return failure_of([] { (void)Client{}.receive(); });
                         })
                  .get(),
              "invalid-connection");
  }
  Place place{"tcp6"};
  const Peer listener = Peer::listen(place);
  std::atomic<bool> is_over{false};
  const auto resets = std::async(std::launch::async, [&] {
    while (!is_over) {
      pollfd entry{.fd = listener.socket(), .events = POLLIN, .revents = 0};
      if (::poll(&entry, 1, 10) == 1) listener.accept().reset();
    }
  });
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(failure_of([&] { (void)client_at(place).receive(); }), "invalid-connection");
  }
  is_over = true;
}

TEST(Server, DoesNotCountAConnectionThatWasAborted) {
  Place place{"tcp6"};
  const auto result = std::async(std::launch::async, [] {
    deny(SYS_accept4, ECONNABORTED);
    Server server;
    server.port = 0;
    server.timeout = std::chrono::seconds{1};
    return failure_of([&] { server.send(hello); });
  });
  EXPECT_EQ(const_cast<std::future<std::string>&>(result).get(), "timeout");
}
#endif

}  // namespace
}  // namespace kcom5::test
