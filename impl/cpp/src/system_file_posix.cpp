// The seam for POSIX systems: files and memory. What only Linux has is marked. See system.hpp.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "system.hpp"

namespace kcom5::system {
namespace {

std::error_code last_error() noexcept { return {errno, std::system_category()}; }
/// What a call returned: a count, or none and the error.
std::size_t counted(ssize_t result, std::error_code& ec) noexcept {
  if (result < 0) ec = last_error();
  return result < 0 ? 0 : static_cast<std::size_t>(result);
}
void close_on_exec(int descriptor) noexcept { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }
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

std::error_code Descriptor::close() noexcept { return result_of(::close(std::exchange(descriptor_, none))); }

void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  if (::getentropy(octets.data(), octets.size()) != 0) ec = last_error();
}

#ifdef __linux__

namespace {
/// What is smaller is cheaper to copy than to map.
constexpr std::size_t map_from = std::size_t{1} << 20;
}  // namespace

void* resize(void* memory, std::size_t before, std::size_t after) noexcept {
  if (after < map_from) return std::realloc(memory, after);
  const bool is_map = before >= map_from;
  void* const map = is_map ? ::mremap(memory, before, after, MREMAP_MAYMOVE)
                           : ::mmap(nullptr, after, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  // The whole map, always: a part with another advice would be a map of its own, and could not be moved with the rest.
  ::madvise(map, after, MADV_HUGEPAGE);
  if (!is_map && memory != nullptr) {
    std::memcpy(map, memory, before);
    std::free(memory);
  }
  return map;
}

void release(void* memory, std::size_t size) noexcept {
  if (size < map_from) {
    std::free(memory);
  } else {
    ::munmap(memory, size);
  }
}

#else

void* resize(void* memory, std::size_t /*before*/, std::size_t after) noexcept { return std::realloc(memory, after); }
void release(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

#endif

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

Descriptor open_folder(const std::filesystem::path& path, [[maybe_unused]] bool to_lock, std::error_code& ec) noexcept {
#ifdef O_PATH
  const int way = to_lock ? O_RDONLY : O_PATH;
#else
  const int way = O_RDONLY;
#endif
  Descriptor folder{::open(path.c_str(), way | O_DIRECTORY | O_CLOEXEC)};
  if (folder.get() < 0) ec = last_error();
  return folder;
}

std::error_code lock(int folder, bool is_taken) noexcept {
  return result_of(::flock(folder, is_taken ? LOCK_EX | LOCK_NB : LOCK_UN));
}

Descriptor open_read(const std::filesystem::path& path, std::error_code& ec) noexcept {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) ec = last_error();
  return file;
}

Descriptor open_write(const std::filesystem::path& path, std::error_code& ec) noexcept {
  Descriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (file.get() < 0) ec = last_error();
  return file;
}

Descriptor open_temporary(const std::string& prefix, std::filesystem::path& path, std::error_code& ec) {
  std::string name = prefix + "XXXXXX";
  Descriptor file{::mkstemp(name.data())};
  if (file.get() < 0) {
    ec = last_error();
    return file;
  }
  close_on_exec(file.get());
  path = name;
  return file;
}

std::optional<std::uint64_t> size_left(int descriptor, std::error_code& ec) noexcept {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) {
    ec = last_error();
    return std::nullopt;
  }
  if (!S_ISREG(status.st_mode) || status.st_size == 0) return std::nullopt;
  const off_t at = ::lseek(descriptor, 0, SEEK_CUR);
  if (at < 0) ec = last_error();
  return at < status.st_size ? static_cast<std::uint64_t>(status.st_size - at) : 0;
}

bool is_regular(int descriptor) noexcept {
  struct stat status{};
  return ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

std::error_code rewind(int descriptor) noexcept {
  return ::lseek(descriptor, 0, SEEK_SET) == 0 ? std::error_code{} : last_error();
}

std::size_t read(int descriptor, std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  return counted(::read(descriptor, octets.data(), octets.size()), ec);
}

std::size_t write(int descriptor, Octets octets, std::error_code& ec) noexcept {
  return counted(::write(descriptor, octets.data(), octets.size()), ec);
}

}  // namespace kcom5::system
