// What the C++ ends share: arguments, clocks, sample data, and the lines that they print. It knows no protocol.
//
//   PROGRAM WAY send KIND VIA SIZE FILE            prints the port (or `-`), then {"cpu": SECONDS}
//   PROGRAM WAY receive KIND VIA PORT SIZE FILE    prints {"seconds": …, "cpu": …}
//   PROGRAM WAY small VIA COUNT                    prints {"microseconds": [… one for each exchange]}
//   PROGRAM WAY idle
//
// KIND is memory or file, VIA is ipv6, ipv4 or the path of a Unix-domain socket. `seconds` runs from before connect()
// until the client has closed; `cpu` is this process's user and system time between the same points.
#pragma once

#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void broken(const char* what) {
  std::perror(what);
  std::exit(4);
}

inline double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Stopwatch {
 public:
  void print_all() const {
    const std::chrono::duration<double> passed = Clock::now() - start_;
    std::printf("{\"seconds\": %.9f, \"cpu\": %.6f}\n", passed.count(), cpu_seconds() - cpu_);
  }
  void print_cpu() const { std::printf("{\"cpu\": %.6f}\n", cpu_seconds() - cpu_); }

 private:
  double cpu_ = cpu_seconds();
  Clock::time_point start_ = Clock::now();
};

/// Octet i is i modulo 256, as in the other languages.
inline std::vector<std::uint8_t> sample(std::size_t size) {
  std::vector<std::uint8_t> octets(size);
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::uint8_t>(i);
  return octets;
}

/// Looks at some octets of all parts; outside of what is timed.
inline void check_sample(std::span<const std::uint8_t> octets, std::size_t size) {
  bool right = octets.size() == size;
  for (std::size_t i = 0; right && i < size; i += 4093) right = octets[i] == static_cast<std::uint8_t>(i);
  if (right) return;
  std::fputs("something else arrived\n", stderr);
  std::exit(4);
}

inline void tell_port(int port) {
  std::printf("%d\n", port);
  std::fflush(stdout);
}

inline std::size_t number(std::string_view text) {
  std::size_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) {
    std::fputs("a number was expected\n", stderr);
    std::exit(2);
  }
  return value;
}

/// Runs `count` exchanges: `open` and `send` here, `receive` in another thread that waits for the port.
template <class Open, class Send, class Receive>
void print_small(std::size_t count, Open open, Send send, Receive receive) {
  std::mutex mutex;
  std::condition_variable changed;
  int next = -1;  // the port to receive from; -1: none yet; -2: no more
  const auto tell = [&](int value) {
    const std::lock_guard lock{mutex};
    next = value;
    changed.notify_one();
  };
  std::thread client{[&] {
    for (;;) {
      std::unique_lock lock{mutex};
      changed.wait(lock, [&] { return next != -1; });
      const int port = std::exchange(next, -1);
      lock.unlock();
      if (port == -2) return;
      receive(port);
    }
  }};
  std::printf("{\"microseconds\": [");
  for (std::size_t i = 0; i < count; ++i) {
    const Clock::time_point start = Clock::now();
    tell(open());
    send();
    const std::chrono::duration<double, std::micro> passed = Clock::now() - start;
    std::printf("%s%.2f", i == 0 ? "" : ", ", passed.count());
  }
  std::printf("]}\n");
  tell(-2);
  client.join();
}

}  // namespace bench
