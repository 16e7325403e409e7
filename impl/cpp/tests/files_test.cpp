// Files and descriptors at both ends, over live sockets.
#include <fcntl.h>
#include <gtest/gtest.h>
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
#include <memory>
#include <span>

#include "live.hpp"

namespace kcom5::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Transports, EachTransport, testing::Values("tcp6", "tcp4", "unix"),
                         [](const auto& transport) { return transport.param; });

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
  EXPECT_TRUE(std::ranges::equal(data.bytes(), read_file("/proc/version")));
  EXPECT_FALSE(data.empty());
  EXPECT_EQ(server.result(), "");
}

/// How receiving into a file fails where nobody listens: it is opened before.
std::string failure_to_open(const fs::path& path, bool no_clobber = false) {
  Client client;
  client.port = 1;
  client.timeout = std::chrono::seconds{1};
  client.no_clobber = no_clobber;
  try {
    client.receive_file(path);
  } catch (const Failure& failure) {
    return std::string{name(failure.error())} + ": " + failure.detail();
  }
  return "";
}

TEST(Output, IsLookedAtBeforeItConnects) {
  const Place place{"unix"};
  const fs::path& folder = place.folder();
  const std::string file = (folder / "file").string();
  const std::string refused = "refused: nobody listens on [::1]:1";
  write_file(file, hello);
  fs::create_symlink("loop", folder / "loop");
  EXPECT_EQ(failure_to_open(file), refused);
  EXPECT_EQ(failure_to_open(file, true), "io: " + file + ": exists already");
  EXPECT_EQ(failure_to_open(folder / "new", true), refused);
  EXPECT_EQ(failure_to_open(folder), "io: " + folder.string() + ": is a directory");
  EXPECT_EQ(failure_to_open(file + "/"), "io: " + file + "/: not a directory");
  EXPECT_EQ(failure_to_open(folder / "new/"), "io: " + (folder / "new/").string() + ": no such file or directory");
  EXPECT_TRUE(failure_to_open(folder / "loop").starts_with("io: "));
  EXPECT_EQ(failure_to_open(folder / std::string(255, 'x')), refused);
  EXPECT_TRUE(failure_to_open(folder / std::string(256, 'x')).starts_with("io: "));
  const fs::path fifo = folder / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(failure_to_open(fifo), "timeout: " + fifo.string() + ": no process opened it for reading within 1 s");
  EXPECT_EQ(read_file(file), hello);
  EXPECT_EQ(entries(folder), (std::set<std::string>{"fifo", "file", "loop"}));
}

TEST_P(EachTransport, StoresTheMessageBeforeTheServerHearsOfSuccess) {
  const fs::path& folder = place_.folder();
  for (const std::size_t size : {0U, 1U, 100'000U}) {
    auto server = sending(place_, counter(size));
    Client client = client_at(place_);
    client.message_file = folder / "message";
    EXPECT_EQ(client.receive_file(folder / "out"), size);
    EXPECT_EQ(server.result(), "");
    EXPECT_EQ(read_file(folder / "message"), Bytes(bytes_of("hi").begin(), bytes_of("hi").end()));
    EXPECT_EQ(entries(folder), (std::set<std::string>{"message", "out"}));
    fs::remove(folder / "out");
    fs::remove(folder / "message");
    if (!fs::exists("/dev/full")) continue;
    auto unlucky = sending(place_, counter(size));
    client = client_at(place_);
    client.message_file = "/dev/full";
    client.message = "before";
    EXPECT_EQ(failure_of([&] { client.receive_file(folder / "out"); }), "io");
    EXPECT_EQ(client.message, "before");
    EXPECT_EQ(unlucky.result(), "unconfirmed");
    EXPECT_EQ(entries(folder), std::set<std::string>{});
  }
}

TEST_P(EachTransport, RemovesTheMessageIfTheDataGetsNoName) {
  const fs::path& folder = place_.folder();
  auto server = sending(place_, counter(100));
  Client client = client_at(place_);
  client.no_clobber = true;
  client.message_file = folder / "message";
  client.progress = [&](std::uint64_t, std::uint64_t) { write_file(folder / "out", hello); };  // somebody was faster
  EXPECT_EQ(failure_of([&] { client.receive_file(folder / "out"); }), "io");
  EXPECT_EQ(server.result(), "unconfirmed");
  EXPECT_EQ(entries(folder), (std::set<std::string>{"out"}));
  EXPECT_EQ(read_file(folder / "out"), hello);
}

TEST_P(EachTransport, KeepsTheModeOfTheFileThatIsReplaced) {
  const fs::path out = place_.folder() / "out";
  write_file(out, hello);
  ASSERT_EQ(::chmod(out.c_str(), 0640), 0);
  auto server = sending(place_, counter(10));
  client_at(place_).receive_file(out);
  EXPECT_EQ(server.result(), "");
  EXPECT_EQ(fs::status(out).permissions(), fs::perms{0640});
  EXPECT_EQ(read_file(out), counter(10));
}

TEST_P(EachTransport, WritesToADescriptorThatAPathNames) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  auto server = sending(place_, counter(1000));
  Client client = client_at(place_);
  client.receive_file("/dev/fd/" + std::to_string(ends[1]));
  EXPECT_EQ(server.result(), "");
  Bytes got(1000);
  EXPECT_EQ(::read(ends[0], got.data(), got.size()), 1000);
  EXPECT_EQ(got, counter(1000));
  EXPECT_EQ(client.written_in_place(), 1000U);
  EXPECT_EQ(::fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_P(EachTransport, GivesUpAPipeThatNobodyEmpties) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  auto server = sending(place_, counter(1 << 20));
  Client client = client_at(place_);
  client.timeout = std::chrono::seconds{1};
  EXPECT_EQ(failure_of([&] { client.receive_descriptor(ends[1]); }), "timeout");
  EXPECT_GT(client.written_in_place(), 0U);
  EXPECT_EQ(server.result(), "unconfirmed");
  ::close(ends[0]);
  ::close(ends[1]);
}

#ifdef __linux__
TEST_P(EachTransport, StoresFilesWhereNoneCanBeMadeWithoutAName) {
  const fs::path& folder = place_.folder();
  auto server = sending(place_, counter(100'000));
  std::async(std::launch::async, [&] {
    deny(SYS_linkat, ENOSYS);  // for files that have no name yet
    const std::string failure = failure_of([&] { client_at(place_).receive_file(folder / "out"); });
    EXPECT_EQ(failure, "io");
  }).get();
  EXPECT_EQ(server.result(), "unconfirmed");
  EXPECT_EQ(entries(folder), std::set<std::string>{});
}

TEST(Output, DoesNotFollowTheLinkOfAnotherUserInASharedFolder) {
  const Place place{"unix"};
  const fs::path shared = place.folder() / "shared";
  fs::create_directory(shared);
  ASSERT_EQ(::chmod(place.folder().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(shared.c_str(), 01777), 0);
  write_file(place.folder() / "victim", hello);
  try {
    std::async(std::launch::async, [&] {
      become_other_user();
      fs::create_symlink(place.folder() / "victim", shared / "link");
      ASSERT_EQ(::mkfifo((shared / "fifo").c_str(), 0666), 0);
    }).get();
  } catch (const CannotRun& reason) {
    GTEST_SKIP() << "NOT RUN: " << reason.what();
  }
  for (const char* const name : {"link", "fifo"}) {
    EXPECT_EQ(failure_to_open(shared / name),
              "io: " + (shared / name).string() + ": belongs to another user in a shared folder");
  }
  fs::create_symlink(place.folder() / "victim", shared / "own");
  EXPECT_EQ(failure_to_open(shared / "own"), "refused: nobody listens on [::1]:1");
  EXPECT_EQ(read_file(place.folder() / "victim"), hello);
}
#endif

TEST(Source, IsLookedAtBeforeItListens) {
  const Place place{"unix"};
  Server server;
  server.port = 0;
  server.timeout = std::chrono::seconds{1};
  server.listening = [](int) { ADD_FAILURE() << "it listens"; };
  const auto words = [&](const fs::path& file) {
    try {
      server.send_file(file);
    } catch (const Failure& failure) {
      return std::string{name(failure.error())} + ": " + failure.detail();
    }
    return std::string{};
  };
  const fs::path fifo = place.folder() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(words(fifo), "timeout: " + fifo.string() + ": no process opened it for writing within 1 s");
  EXPECT_EQ(words(place.folder()), "io: " + place.folder().string() + ": is a directory");
  EXPECT_TRUE(words(place.folder() / "no").starts_with("io: " + (place.folder() / "no").string() + ": "));
  if (fs::exists("/proc/version")) {
    server.spool_dir = place.folder() / "none";
    EXPECT_TRUE(words("/proc/version").starts_with("io: " + server.spool_dir.string() + ": "));
  }
  server.port = 65536;
  EXPECT_TRUE(words(place.folder()).starts_with("invalid-port: "));
}

TEST(Source, IsAsLongAsWhenItWasOpened) {
  Place place{"tcp6"};
  const fs::path file = place.folder() / "in";
  write_file(file, counter(100'000));
  Sending server{place, [&](Server& s) { s.send_file(file); }};
  std::ofstream{file, std::ios::binary | std::ios::app} << "more";
  EXPECT_EQ(client_at(place).receive().size(), 100'000U);
  EXPECT_EQ(server.result(), "");
}

TEST(Source, ReadsAPipeByItsName) {
  Place place{"tcp6"};
  const fs::path fifo = place.folder() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  auto writer = std::async(std::launch::async, [&] { write_file(fifo, counter(200'000)); });
  Sending server{place, [&](Server& s) { s.send_file(fifo); }};
  EXPECT_EQ(client_at(place).receive().size(), 200'000U);
  EXPECT_EQ(server.result(), "");
}

}  // namespace
}  // namespace kcom5::test
