// What the tests over live sockets have in common.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>
#include <string>

#include "kcom5/kcom5.hpp"
#include "peer.hpp"

namespace kcom5::test {

namespace fs = std::filesystem;

constexpr int patience = 30;  ///< T in seconds where it must not matter.

inline const Bytes hello = from_hex("4b 43 4f 4d 35 aa bb cc");

inline Bytes counter(std::size_t size) {
  Bytes octets(size);
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::uint8_t>(i % 251);
  return octets;
}

inline Bytes read_file(const fs::path& path) {
  std::ostringstream all;
  all << std::ifstream{path, std::ios::binary}.rdbuf();
  const ByteView octets = bytes_of(all.view());
  return {octets.begin(), octets.end()};
}

inline void write_file(const fs::path& path, const Bytes& octets) {
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

inline std::set<std::string> entries(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator{folder}) names.insert(entry.path().filename());
  return names;
}

/// A server that sends in a thread, and the place where it listens.
template <class Send>
class Sending {
 public:
  Sending(Place& place, Send send, int timeout = patience) {
    server_.ipv6 = place.is_ipv6();
    server_.port = 0;
    server_.timeout = std::chrono::seconds{timeout};
    if (place.is_unix()) server_.path = place.path();
    server_.message = "hi";
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

inline auto sending(Place& place, const Bytes& data) {
  return Sending{place, [data](Server& server) { server.send(data); }};
}

inline Client client_at(const Place& place) {
  Client client;
  client.ipv6 = place.is_ipv6();
  client.port = place.port;
  client.timeout = std::chrono::seconds{patience};
  if (place.is_unix()) client.path = place.path();
  return client;
}

class EachTransport : public testing::TestWithParam<const char*> {
 protected:
  Place place_{GetParam()};
};

}  // namespace kcom5::test
