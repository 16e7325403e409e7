// The other end of a live test: plain sockets, and nothing of the library. POSIX; namespaces and users are Linux's.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "vectors.hpp"

namespace kcom5::test {

/// Whether a sanitizer watches: it needs memory and descriptors of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool is_sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool is_sanitized = false;
#endif

/// What a peer did not see as it should.
struct Unexpected : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Something this machine does not let a test do.
struct CannotRun : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Where a live test takes place: a transport, and for Unix-domain sockets a path in a folder of its own.
class Place {
 public:
  explicit Place(std::string via);
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] bool is_unix() const { return via_ == "unix"; }
  [[nodiscard]] bool is_ipv6() const { return via_ == "tcp6"; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  int port = 0;

 private:
  std::string via_;
  std::filesystem::path folder_;
  std::filesystem::path path_;
};

/// A socket of the peer's.
class Peer {
 public:
  explicit Peer(int socket = -1) : socket_{socket} {}
  ~Peer();
  Peer(Peer&& other) noexcept;
  Peer& operator=(Peer&& other) noexcept;

  static Peer dial(const Place& place);
  /// A listener at the place; it sets the place's port.
  static Peer listen(Place& place, int queue = 16);
  [[nodiscard]] Peer accept() const;

  void send(const Bytes& octets) const;
  void expect(const Bytes& octets) const;
  [[nodiscard]] Bytes read(std::size_t count) const;
  /// The orderly end of the stream.
  void expect_end() const;
  void half_close() const;
  void close();
  void reset();

  [[nodiscard]] int socket() const { return socket_; }

 private:
  /// The bytes read, 0 at the end, or -1 with errno; waits for at most ten seconds.
  [[nodiscard]] ssize_t read_some(std::uint8_t* octets, std::size_t size) const;

  int socket_;
};

/// A moment: long enough for what was sent to be read alone.
void pause(std::chrono::milliseconds time);

#ifdef __linux__
/// From here on the system answers this thread's calls of one kind with an error, by default that there is none.
void deny(int call, int error = ENOSYS);
#endif

/// The calling thread is another user from now on (Linux; the others stay who they are).
void become_other_user();

}  // namespace kcom5::test
