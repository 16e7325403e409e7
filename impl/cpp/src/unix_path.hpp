// The path of a Unix-domain socket. Spec: "Unix profile".
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>

#include "deadline.hpp"
#include "passing_name.hpp"
#include "system.hpp"

namespace kcom5 {

/// Throws Failure, `io`, unless a socket can have this path.
void check_unix_path(const std::filesystem::path& path);

/// The name of a server's socket file, from its check to its removal. The folder is locked until the socket listens, so
/// that exactly one of several servers that start together listens.
///
/// The destructor removes the file that was bound, and no other: `unix.cleanup`. The socket must still be open then, so
/// that nobody takes the file for a stale one.
class SocketName {
 public:
  /// Makes the name free: `unix.stale`. Waits for the folder's lock until the deadline. Throws Failure.
  SocketName(const std::filesystem::path& path, const Deadline& deadline, const std::atomic<bool>& cancelled);

  /// Call it after bind(): records which file that made, and sees to its mode (`unix.mode`). Throws Failure.
  void bound();
  /// Call it after listen(): lets other servers check the name.
  void unlock() noexcept;

 private:
  void open_folder();
  void lock(const Deadline& deadline, const std::atomic<bool>& cancelled);
  void make_free();

  std::string path_;
  std::string name_;
  system::Descriptor folder_;
  std::optional<PassingName> made_;
};

}  // namespace kcom5
