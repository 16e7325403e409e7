// Paths of Unix-domain sockets at the server: what stands there, and servers that come at one instant.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <future>
#include <string>
#include <thread>

#include "live.hpp"

namespace kcom5::test {
namespace {

class Paths : public testing::Test {
 protected:
  /// How a server that is to listen at the path fails: its words.
  std::string listen_at(const fs::path& path) {
    Server server;
    server.path = path;
    server.timeout = std::chrono::seconds{1};
    try {
      server.open();
    } catch (const Failure& failure) {
      return std::string{name(failure.error())} + ": " + failure.detail();
    }
    return "";
  }

  std::string receive_from(const fs::path& path) {
    Client client;
    client.path = path;
    client.timeout = std::chrono::seconds{1};
    return failure_of([&] { (void)client.receive(); });
  }

  Place place_{"unix"};
  fs::path path_ = place_.path();
};

TEST_F(Paths, SaysWhichPathNoSocketCanHave) {
  const std::string longest = place_.folder().string() + "/";
  const fs::path fits = longest + std::string(107 - longest.size(), 'x');
  const fs::path too_long = longest + std::string(108 - longest.size(), 'x');
  EXPECT_EQ(listen_at(fits), "");
  EXPECT_EQ(listen_at(too_long), "io: " + too_long.string() + ": the path has 108 bytes, expected at most 107");
  EXPECT_EQ(receive_from(too_long), "io");
  const std::string cut{"a\0b", 3};
  EXPECT_EQ(listen_at(place_.folder() / cut), "io: " + (place_.folder() / cut).string() + ": the path has a NUL byte");
  EXPECT_EQ(receive_from(place_.folder() / cut), "io");
  EXPECT_EQ(entries(place_.folder()), std::set<std::string>{});
}

TEST_F(Paths, LooksAtWhatStandsThere) {
  const std::string shown = path_.string();
  const fs::path target = place_.folder() / "target";
  EXPECT_EQ(receive_from(path_), "refused");
  EXPECT_EQ(receive_from(place_.folder() / "no" / "such"), "io");
  EXPECT_TRUE(listen_at(place_.folder() / "no" / "such").starts_with("io: "));
  fs::create_symlink("socket", path_);
  EXPECT_EQ(listen_at(path_), "in-use: " + shown + ": is a symbolic link");
  EXPECT_EQ(receive_from(path_), "io");
  fs::remove(path_);
  fs::create_symlink(target, path_);
  EXPECT_EQ(listen_at(path_), "in-use: " + shown + ": is a symbolic link");
  EXPECT_FALSE(fs::exists(target));
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_EQ(listen_at(path_), "in-use: " + shown + ": is not a socket");
  EXPECT_EQ(receive_from(path_), "refused");
  fs::remove(path_);
  write_file(path_, hello);
  EXPECT_EQ(listen_at(path_), "in-use: " + shown + ": is not a socket");
  EXPECT_EQ(read_file(path_), hello);
  fs::remove(path_);
  {
    const Peer live = Peer::listen(place_);
    EXPECT_EQ(listen_at(path_), "in-use: " + shown + ": another server listens there");
  }
  EXPECT_EQ(receive_from(path_), "refused");
  EXPECT_EQ(listen_at(path_), "");  // a stale one
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(Paths, TakesADatagramSocketForAProcessThatIsThere) {
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen_at(path_), "in-use: " + path_.string() + ": another server listens there");
  EXPECT_EQ(receive_from(path_), "io");
  ::close(socket);
  EXPECT_EQ(listen_at(path_), "");
}

TEST_F(Paths, IsOnesOwnFromTheBeginningWhateverTheMask) {
  const mode_t before = ::umask(0);
  Server server;
  server.path = path_;
  server.open();
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ::umask(before);
}

TEST_F(Paths, WaitsForTheFoldersLockNoLongerThanItsBound) {
  const int folder = ::open(place_.folder().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(folder, LOCK_EX), 0);
  EXPECT_EQ(listen_at(path_), "timeout: the folder is locked by another process");
  auto opened = std::async(std::launch::async, [&] { return listen_at(path_); });
  pause(std::chrono::milliseconds{50});
  ::close(folder);
  EXPECT_EQ(opened.get(), "");
}

TEST_F(Paths, IsGivenToOneOfServersThatComeAtOneInstant) {
  constexpr int count = 4;
  for (int round = 0; round < 250; ++round) {
    if (round % 2 == 0) Peer::listen(place_);  // leaves a stale file
    std::barrier start{count};
    std::barrier end{count};
    std::atomic<int> listening{0};
    std::atomic<int> in_use{0};
    {
      std::vector<std::thread> servers;
      for (int i = 0; i < count; ++i) {
        servers.emplace_back([&] {
          Server server;
          server.path = path_;
          server.timeout = std::chrono::seconds{5};
          start.arrive_and_wait();
          const std::string failure = failure_of([&] { server.open(); });
          if (failure.empty()) ++listening;
          if (failure == "in-use") ++in_use;
          end.arrive_and_wait();
        });
      }
      for (std::thread& server : servers) server.join();
    }
    ASSERT_EQ(listening, 1) << round;
    ASSERT_EQ(in_use, count - 1) << round;
    ASSERT_FALSE(fs::exists(path_)) << round;
  }
}

}  // namespace
}  // namespace kcom5::test
