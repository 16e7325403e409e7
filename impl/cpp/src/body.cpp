// See body.hpp. Spec: `close.abort` (stored before it is closed), `limit.memory`.
#include "body.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "kcom5/failure.hpp"

namespace kcom5 {
namespace {

constexpr std::size_t block_size = std::size_t{1} << 20;
/// For less it is not worth while to let the system move octets by itself.
constexpr std::size_t by_system_from = std::size_t{16} << 10;

void check(const std::error_code& ec, const std::string& name) {
  if (ec) throw Failure{ec, name + ": " + ec.message()};
}

void check_cancelled(const std::atomic<bool>& cancelled) {
  if (cancelled) throw Failure{std::make_error_code(std::errc::operation_canceled)};
}

/// One read, however often a signal interrupts it.
std::size_t read_some(int descriptor, std::span<std::uint8_t> octets, const std::string& name,
                      const std::atomic<bool>* cancelled) {
  for (;;) {
    if (cancelled != nullptr) check_cancelled(*cancelled);
    std::error_code ec;
    const std::size_t count = system::read(descriptor, octets, ec);
    if (ec == std::errc::interrupted) continue;
    check(ec, name);
    return count;
  }
}

void write_all(int descriptor, Octets octets, const std::string& name, const std::atomic<bool>& cancelled) {
  while (!octets.empty()) {
    check_cancelled(cancelled);
    std::error_code ec;
    const std::size_t count = system::write(descriptor, octets, ec);
    if (ec == std::errc::interrupted) continue;
    check(ec, name);
    octets = octets.subspan(count);
  }
}

}  // namespace

std::span<std::uint8_t> Block::room(std::uint64_t most) {
  if (!octets_) {
    size_ = static_cast<std::size_t>(std::min<std::uint64_t>(block_size, most));
    octets_ = std::make_unique_for_overwrite<std::uint8_t[]>(size_);  // pages that are not used cost nothing
  }
  return {octets_.get(), static_cast<std::size_t>(std::min<std::uint64_t>(size_, most))};
}

DescriptorSource::DescriptorSource(int descriptor, std::string name, const std::atomic<bool>& cancelled)
    : descriptor_{descriptor}, name_{std::move(name)} {
  std::error_code ec;
  const std::optional<std::uint64_t> left = system::size_left(descriptor_, ec);
  check(ec, name_);
  if (left) {
    size_ = *left;
  } else {
    spool(cancelled);
  }
}

void DescriptorSource::spool(const std::atomic<bool>& cancelled) {
  std::error_code ec;
  std::filesystem::path path = std::filesystem::temp_directory_path(ec);
  check(ec, "the folder for temporary files");
  const std::string prefix = (path / "kcom5-").string();
  copy_ = system::open_temporary(prefix, path, ec);
  check(ec, prefix + "XXXXXX");
  std::filesystem::remove(path, ec);
  check(ec, path.string());
  while (const std::size_t count = read_some(descriptor_, block_.room(block_size), name_, &cancelled)) {
    write_all(copy_.get(), block_.first(count), path.string(), cancelled);
    size_ += count;
  }
  check(system::rewind(copy_.get()), path.string());
  descriptor_ = copy_.get();
}

Octets DescriptorSource::next() {
  if (given_ > 0) by_system_ = false;
  std::span<std::uint8_t> room = block_.room(size_ - given_);
  if (room.empty()) return {};
  if (by_system_) room = room.first(std::min(room.size(), by_system_from));  // the system sends the rest
  const std::size_t count = read_some(descriptor_, room, name_, nullptr);
  if (count == 0) {
    throw Failure{std::make_error_code(std::errc::io_error),
                  name_ + ": it became shorter while it was sent: " + std::to_string(given_) + " of " +
                      std::to_string(size_) + " octets"};
  }
  given_ += count;
  return block_.first(count);
}

std::span<std::uint8_t> MemorySink::room(std::uint64_t most) try {
  return buffer_.room(most);
} catch (const std::bad_alloc&) {
  const std::error_code ec = std::make_error_code(std::errc::not_enough_memory);
  throw Failure{ec, ec.message() + " after " + std::to_string(buffer_.size()) + " octets"};
}

DescriptorSink::DescriptorSink(int descriptor, std::string name, const std::atomic<bool>& cancelled)
    : descriptor_{descriptor}, name_{std::move(name)}, cancelled_{cancelled} {}

std::span<std::uint8_t> DescriptorSink::room(std::uint64_t most) { return block_.room(most); }

int DescriptorSink::pipe(std::uint64_t most) noexcept {
  // What is no regular file may keep the very pages of the sender's file, which can change
  // before somebody reads them; a regular file gets a copy.
  if (by_system_ && pipe_.in.get() < 0 && most > by_system_from && system::is_regular(descriptor_)) {
    pipe_ = system::open_pipe(block_size);
  }
  return pipe_.in.get();
}

void DescriptorSink::filled(std::size_t count) { write_all(descriptor_, block_.first(count), name_, cancelled_); }

void DescriptorSink::piped(std::size_t count) {
  std::size_t moved = count;
  while (count > 0 && moved > 0) {
    check_cancelled(cancelled_);
    std::error_code ec;
    moved = system::splice(pipe_.out.get(), descriptor_, count, ec);
    count -= moved;
    if (ec == std::errc::interrupted) moved = count;
  }
  if (moved > 0) return;
  // It cannot, or fails, which a write tells better.
  while (count > 0) {
    const std::size_t some = read_some(pipe_.out.get(), block_.room(count), name_, &cancelled_);
    write_all(descriptor_, block_.first(some), name_, cancelled_);
    count -= some;
  }
  pipe_ = {};
  by_system_ = false;
}

FileSink::FileSink(const std::filesystem::path& path, const std::atomic<bool>& cancelled)
    : file_{open(path)}, to_{file_.get(), path.string(), cancelled} {}

system::Descriptor FileSink::open(const std::filesystem::path& path) {
  std::error_code ec;
  path_ = path;
  for (int links = 0; std::filesystem::is_symlink(path_, ec); ++links) {
    if (links == 40) check(std::make_error_code(std::errc::too_many_symbolic_link_levels), path.string());
    path_ = path_.parent_path() / std::filesystem::read_symlink(path_, ec);
    check(ec, path.string());
  }
  const std::filesystem::file_status status = std::filesystem::status(path_, ec);
  const bool is_new = status.type() == std::filesystem::file_type::not_found;
  if (!is_new) check(ec, path.string());
  if (std::filesystem::is_directory(status)) check(std::make_error_code(std::errc::is_a_directory), path.string());
  system::Descriptor file;
  if (is_new || std::filesystem::is_regular_file(status)) {
    std::filesystem::path prefix = path_.parent_path() / ".";
    prefix += path_.filename();
    prefix += ".";
    file = system::open_temporary(prefix.string(), temporary_.path, ec = {});
  } else {
    file = system::open_write(path_, ec = {});
  }
  check(ec, path.string());
  return file;
}

FileSink::Temporary::~Temporary() {
  std::error_code ignored;
  if (!path.empty()) std::filesystem::remove(path, ignored);
}

void FileSink::finish() {
  check(file_.close(), path_.string());
  if (temporary_.path.empty()) return;
  std::error_code ec;
  std::filesystem::rename(temporary_.path, path_, ec);
  check(ec, path_.string());
  temporary_.path.clear();
}

}  // namespace kcom5
