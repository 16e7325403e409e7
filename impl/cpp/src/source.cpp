// See source.hpp. Spec: `file.size`.
#include "source.hpp"

#include <algorithm>
#include <cstdlib>

#include "kcom5/failure.hpp"
#include "output.hpp"

namespace kcom5 {
namespace {

using Kind = system::FileStatus::Kind;

/// Files of /proc report size 0 and those of /sys one page, but neither has a block on a disk.
constexpr std::uint64_t most_without_blocks = 65536;

/// A file without a name. Throws Failure that names the folder.
system::Descriptor open_spool(const std::filesystem::path& path) {
  std::error_code ec;
  const system::Descriptor folder = system::open_folder(system::none, path, false, ec);
  throw_if(ec, path.string());
  system::Descriptor file = system::create_unnamed(folder.get(), ec);
  if (ec == std::errc::not_supported) {
    std::string name;
    file = create_temporary(folder.get(), name, ec = {});
    if (!ec) ec = system::remove(folder.get(), name);
  }
  throw_if(ec, path.string());
  return file;
}

}  // namespace

std::filesystem::path folder_of_spool(const std::filesystem::path& spool_dir) {
  if (!spool_dir.empty()) return spool_dir;
  const char* const folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/tmp";
}

FileSource::FileSource(const std::filesystem::path& path, const std::filesystem::path& spool_dir, const Waits& waits)
    : name_{path.string()}, descriptor_{system::none} {
  std::error_code ec;
  opened_ = system::open_source(path, ec);
  throw_if(ec, name_);
  descriptor_ = opened_.get();
  const system::FileStatus status = system::look(descriptor_, ec);
  throw_if(ec, name_);
  prepare(spool_dir, waits, status.kind == Kind::fifo ? wait_for_writer(waits) : 0);
}

FileSource::FileSource(int descriptor, std::string name, const std::filesystem::path& spool_dir, const Waits& waits)
    : name_{std::move(name)}, descriptor_{descriptor} {
  prepare(spool_dir, waits, 0);
}

/// `count` bytes are already read.
void FileSource::prepare(const std::filesystem::path& spool_dir, const Waits& waits, std::size_t count) {
  std::error_code ec;
  const system::FileStatus status = system::look(descriptor_, ec);
  throw_if(ec, name_);
  if (status.kind == Kind::folder) {
    throw Failure{std::make_error_code(std::errc::is_a_directory), name_ + ": is a directory"};
  }
  const bool is_regular = status.kind == Kind::regular;
  const bool is_size_true = status.size > most_without_blocks || (status.size > 0 && status.blocks > 0);
  if (!is_regular || !is_size_true) {
    spool(spool_dir, waits, count, is_regular);
    return;
  }
  const std::uint64_t at = system::position(descriptor_, ec);
  throw_if(ec, name_);
  size_ = status.size - std::min(status.size, at);
}

/// A pipe that was opened without blocking reports its end until a process opens it for writing. Returns how many bytes
/// were read.
std::size_t FileSource::wait_for_writer(const Waits& waits) {
  const Deadline deadline{waits.timeout};
  for (;;) {
    const bool has_passed = deadline.passed();
    waits.check_cancelled();
    std::error_code ec;
    const std::size_t count = system::read(descriptor_, block_.room(block_size), ec);
    if (count > 0 || ec == std::errc::operation_would_block) return count;
    if (ec != std::errc::interrupted) throw_if(ec, name_);
    // poll() reports the end only after a process had opened it.
    if (system::wait(descriptor_, {.read = true}, deadline.left(retry_delay)).read) return 0;
    if (has_passed) throw waits.too_long(name_, "no process opened it for writing within");
  }
}

void FileSource::spool(const std::filesystem::path& spool_dir, const Waits& waits, std::size_t count, bool is_regular) {
  const std::filesystem::path folder = folder_of_spool(spool_dir);
  system::Descriptor copy;
  if (count == 0) count = read_some(block_.room(block_size), is_regular ? nullptr : &waits);
  for (; count > 0; count = read_some(block_.room(block_size), is_regular ? nullptr : &waits)) {
    if (copy.get() < 0) copy = open_spool(folder);
    for (ByteView bytes = block_.first(count); !bytes.empty();) {
      waits.check_cancelled();
      std::error_code ec;
      const std::size_t some = system::write(copy.get(), bytes, ec);
      if (ec != std::errc::interrupted) throw_if(ec, folder.string());
      bytes = bytes.subspan(some);
    }
    size_ += count;
  }
  if (size_ == 0) return;
  throw_if(system::rewind(copy.get()), folder.string());
  opened_ = std::move(copy);
  descriptor_ = opened_.get();
}

/// Reads once, and retries after a signal. With `waits` a cancellation ends it while nothing comes, because a person at
/// a terminal may take any time.
std::size_t FileSource::read_some(std::span<std::uint8_t> room, const Waits* waits) {
  for (;;) {
    if (waits != nullptr) {
      waits->check_cancelled();
      if (!system::wait(descriptor_, {.read = true}, glance).read) continue;
    }
    std::error_code ec;
    const std::size_t count = system::read(descriptor_, room, ec);
    if (ec == std::errc::interrupted || ec == std::errc::operation_would_block) continue;
    throw_if(ec, name_);
    return count;
  }
}

ByteView FileSource::next() {
  if (given_ > 0) by_system_ = false;
  if (given_ == size_) return {};
  std::span<std::uint8_t> room = block_.room(size_ - given_);
  if (by_system_) room = room.first(std::min(room.size(), by_system_from));  // the kernel sends the rest
  const std::size_t count = read_some(room, nullptr);
  if (count == 0) {
    throw Failure{std::make_error_code(std::errc::io_error), name_ + ": became shorter while it was sent: got " +
                                                                 std::to_string(given_) + " of " +
                                                                 std::to_string(size_) + " bytes"};
  }
  given_ += count;
  return block_.first(count);
}

}  // namespace kcom5
