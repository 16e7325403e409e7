// system.hpp for POSIX: files. Linux-only parts are marked.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <string>

#include "system_posix.hpp"

namespace kcom5::system {
namespace {

std::error_code result_of(int result) noexcept { return result == 0 ? std::error_code{} : last_error(); }

FileStatus::Kind kind_of(mode_t mode) noexcept {
  using enum FileStatus::Kind;
  if (S_ISREG(mode)) return regular;
  if (S_ISDIR(mode)) return FileStatus::Kind::folder;
  if (S_ISLNK(mode)) return FileStatus::Kind::link;
  if (S_ISFIFO(mode)) return fifo;
  if (S_ISSOCK(mode)) return socket;
  return device;
}

FileStatus status_of(const struct stat& status) noexcept {
  return {.kind = kind_of(status.st_mode),
          .id = {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)},
          .user = status.st_uid,
          .mode = static_cast<std::uint32_t>(status.st_mode & 07777),
          .size = static_cast<std::uint64_t>(status.st_size),
          .blocks = static_cast<std::uint64_t>(status.st_blocks)};
}

}  // namespace

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::error_code Descriptor::close() noexcept {
  const int result = ::close(std::exchange(descriptor_, none));
  // An interrupted close() has closed it all the same.
  return result != 0 && errno == EINTR ? std::error_code{} : result_of(result);
}

FileStatus look(int folder, const std::string& name, std::error_code& ec) noexcept {
  struct stat status{};
  if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status_of(status);
  if (errno != ENOENT) ec = last_error();
  return {};
}

FileStatus look(int descriptor, std::error_code& ec) noexcept {
  struct stat status{};
  if (::fstat(descriptor, &status) == 0) return status_of(status);
  ec = last_error();
  return {};
}

std::error_code remove(int folder, const std::string& name) noexcept {
  return result_of(::unlinkat(folder, name.c_str(), 0));
}

std::uint32_t user() noexcept { return ::geteuid(); }

namespace {

/// The descriptor that `call` returns, or none and the error. A signal may interrupt the opening of a FIFO or of a file
/// on a network file system, so that is tried again.
template <class Call>
Descriptor opened(Call call, std::error_code& ec) noexcept {
  int descriptor = call();
  while (descriptor < 0 && errno == EINTR) descriptor = call();
  if (descriptor < 0) ec = last_error();
  return Descriptor{descriptor};
}

int start_of(int base) noexcept { return base == none ? AT_FDCWD : base; }

/// The path under which the system offers a descriptor.
std::string path_of(int descriptor) { return "/dev/fd/" + std::to_string(descriptor); }

}  // namespace

Descriptor open_folder(int base, const std::filesystem::path& path, [[maybe_unused]] bool to_lock,
                       std::error_code& ec) noexcept {
#ifdef O_PATH
  const int way = to_lock ? O_RDONLY : O_PATH;
#else
  const int way = O_RDONLY;
#endif
  return opened([&] { return ::openat(start_of(base), path.c_str(), way | O_DIRECTORY | O_CLOEXEC); }, ec);
}

std::error_code lock(int folder, bool is_taken) noexcept {
  return result_of(::flock(folder, is_taken ? LOCK_EX | LOCK_NB : LOCK_UN));
}

std::string read_link(int folder, const std::string& name, std::error_code& ec) {
  std::string target(PATH_MAX, '\0');
  target.resize(counted(::readlinkat(folder, name.c_str(), target.data(), target.size()), ec));
  return target;
}

std::optional<int> descriptor_of(int folder, const std::string& name) noexcept {
  if (name.empty() || name.size() > 9 || name.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  struct stat here{};
  if (::fstat(folder, &here) != 0) return std::nullopt;
  for (const char* const path : {"/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"}) {
    struct stat own{};
    if (::stat(path, &own) == 0 && own.st_dev == here.st_dev && own.st_ino == here.st_ino) return std::stoi(name);
  }
  return std::nullopt;
}

Descriptor duplicate(int descriptor, std::error_code& ec) noexcept {
  return opened([&] { return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }, ec);
}

Descriptor reopen_pipe([[maybe_unused]] int descriptor) noexcept {
#ifdef __linux__
  return Descriptor{::open(path_of(descriptor).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
#else
  return {};
#endif
}

std::error_code check_writable(int folder, const std::string& name) noexcept {
  return result_of(::faccessat(folder, name.c_str(), W_OK, AT_EACCESS));
}

std::error_code check_writable(int descriptor) noexcept {
  const int status = ::fcntl(descriptor, F_GETFL);
  if (status < 0) return last_error();
  const bool is_writable = (status & O_ACCMODE) != O_RDONLY;
  return is_writable ? std::error_code{} : std::make_error_code(std::errc::bad_file_descriptor);
}

Descriptor open_source(const std::filesystem::path& path, std::error_code& ec) noexcept {
  return opened([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); }, ec);
}

Descriptor create_unnamed([[maybe_unused]] int folder, std::error_code& ec) noexcept {
#ifdef O_TMPFILE
  // Without /proc it could not get a name.
  if (::access("/proc/self/fd", X_OK) == 0) {
    Descriptor file = opened([&] { return ::openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }, ec);
    if (file.get() >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
  }
#endif
  ec = std::make_error_code(std::errc::not_supported);
  return {};
}

Descriptor create(int folder, const std::string& name, std::error_code& ec) noexcept {
  return opened(
      [&] { return ::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600); }, ec);
}

Descriptor open_target(int folder, const std::string& name, std::error_code& ec) noexcept {
  return opened(
      [&] { return ::openat(folder, name.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC); }, ec);
}

std::error_code truncate(int descriptor) noexcept { return result_of(::ftruncate(descriptor, 0)); }

std::error_code set_mode(int descriptor, std::uint32_t mode) noexcept {
  return result_of(::fchmod(descriptor, static_cast<mode_t>(mode)));
}

std::error_code set_mode(int folder, const std::string& name, std::uint32_t mode) noexcept {
  return result_of(::fchmodat(folder, name.c_str(), static_cast<mode_t>(mode), AT_SYMLINK_NOFOLLOW));
}

std::error_code link(int file, int folder, const std::string& name) noexcept {
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  return result_of(::linkat(AT_FDCWD, path.c_str(), folder, name.c_str(), AT_SYMLINK_FOLLOW));
}

std::error_code rename(int folder, const std::string& from, const std::string& to, bool replaces) noexcept {
  if (replaces) return result_of(::renameat(folder, from.c_str(), folder, to.c_str()));
#ifdef RENAME_NOREPLACE
  if (::renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return last_error();
#endif
  // linkat() fails, too, if there is a file.
  if (::linkat(folder, from.c_str(), folder, to.c_str(), 0) != 0) return last_error();
  return remove(folder, from);
}

std::uint64_t position(int descriptor, std::error_code& ec) noexcept {
  const off_t at = ::lseek(descriptor, 0, SEEK_CUR);
  if (at < 0) ec = last_error();
  return at < 0 ? 0 : static_cast<std::uint64_t>(at);
}

std::error_code rewind(int descriptor) noexcept {
  return ::lseek(descriptor, 0, SEEK_SET) == 0 ? std::error_code{} : last_error();
}

std::size_t read(int descriptor, std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  return counted(::read(descriptor, octets.data(), octets.size()), ec);
}

std::size_t write(int descriptor, ByteView octets, std::error_code& ec) noexcept {
  const WithoutSignal guard;
  return counted(::write(descriptor, octets.data(), octets.size()), ec);
}

}  // namespace kcom5::system
