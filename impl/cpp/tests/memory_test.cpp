// Data in memory: the buffer it grows in, and what much of it asks of the system.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/socket.h>
#endif

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
    EXPECT_TRUE(std::ranges::equal(received.bytes(), data)) << ahead;
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

TEST_P(EachTransport, GrowsWithWhatArrivesAndNotWithWhatIsDeclared) {
  Peer listener = Peer::listen(place_);
  Client client = client_at(place_);
  client.timeout = std::chrono::seconds{1};
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
