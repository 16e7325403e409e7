// See output.hpp. Spec: `file.whole`, `file.once`.
#include "output.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "block.hpp"
#include "kcom5/failure.hpp"

namespace kcom5 {
namespace {

using Kind = system::FileStatus::Kind;

constexpr int most_links = 40;
constexpr int most_tries = 100;
constexpr std::uint32_t sticky = 01000;
constexpr std::uint32_t writable_by_all = 0002;
/// POSIX: a pipe that is ready takes at least this many bytes without blocking.
constexpr std::size_t pipe_bytes = 4096;

std::string random_name(std::error_code& ec) {
  static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz012345";
  std::array<std::uint8_t, 6> bytes{};
  system::random(bytes, ec);
  std::string name = ".kcom5-";
  for (const std::uint8_t byte : bytes) name += letters[byte % letters.size()];
  return name;
}

/// Calls `make` with new names until one is free.
template <class Make>
std::error_code with_new_name(std::string& name, Make make) {
  std::error_code ec = std::make_error_code(std::errc::file_exists);
  for (int i = 0; i < most_tries && ec == std::errc::file_exists; ++i) {
    std::error_code no_random;
    name = random_name(no_random);
    ec = no_random ? no_random : make(name);
  }
  return ec;
}

/// Removes the component after the last slash from `path`, and returns it.
std::string split_name(std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  path = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return name;
}

}  // namespace

system::Descriptor create_temporary(int folder, std::string& name, std::error_code& ec) {
  system::Descriptor file;
  ec = with_new_name(name, [&](const std::string& fresh) {
    std::error_code failed;
    file = system::create(folder, fresh, failed);
    return failed;
  });
  return file;
}

Output::Output(const std::filesystem::path& path, bool no_clobber, const Waits& waits)
    : waits_{waits}, shown_{path.string()}, no_clobber_{no_clobber} {
  open(path.native());
}

Output::Output(int descriptor, std::string name, const Waits& waits) : waits_{waits}, shown_{std::move(name)} {
  open_descriptor(descriptor);
}

void Output::check(const std::error_code& ec) const {
  if (ec) throw failure_of(ec, shown_);
}

void Output::fail_exists() const {
  throw Failure{std::make_error_code(std::errc::file_exists), shown_ + ": exists already"};
}

/// Follows symbolic links itself, so that each one is checked, and opens the target.
void Output::open(std::string path) {
  if (path.empty()) check(std::make_error_code(std::errc::no_such_file_or_directory));
  for (int links = 0; links <= most_links; ++links) {
    std::error_code ec;
    name_ = split_name(path);
    system::Descriptor folder = system::open_folder(links == 0 ? system::none : folder_.get(), path, false, ec);
    check(ec);
    folder_ = std::move(folder);
    if (const std::optional<int> number = system::descriptor_of(folder_.get(), name_)) {
      open_descriptor(*number);
      return;
    }
    const system::FileStatus status = system::look(folder_.get(), name_.empty() ? "." : name_, ec);
    check(ec);
    if (status.kind == Kind::folder) {
      throw Failure{std::make_error_code(std::errc::is_a_directory), shown_ + ": is a directory"};
    }
    if (status.kind == Kind::absent || status.kind == Kind::regular) {
      open_temporary(status);
      return;
    }
    check_trusted(status);
    if (status.kind != Kind::link) {
      open_in_place(status);
      return;
    }
    path = system::read_link(folder_.get(), name_, ec);
    check(ec);
  }
  check(std::make_error_code(std::errc::too_many_symbolic_link_levels));
}

/// In a folder that all users share, another user's file or link may be a trap.
void Output::check_trusted(const system::FileStatus& status) const {
  std::error_code ec;
  const system::FileStatus folder = system::look(folder_.get(), ec);
  check(ec);
  const bool is_shared = (folder.mode & sticky) != 0 && (folder.mode & writable_by_all) != 0;
  if (is_shared && status.user != system::user() && status.user != folder.user) {
    throw Failure{std::make_error_code(std::errc::permission_denied),
                  shown_ + ": belongs to another user in a shared folder"};
  }
}

/// Other processes may share the descriptor, so its flags are not changed.
void Output::open_descriptor(int descriptor) {
  is_in_place_ = true;
  check(system::check_writable(descriptor));
  std::error_code ec;
  const system::FileStatus status = system::look(descriptor, ec);
  check(ec);
  is_regular_ = status.kind == Kind::regular;
  if (status.kind == Kind::fifo) file_ = system::reopen_pipe(descriptor);
  if (file_.get() >= 0) return;
  file_ = system::duplicate(descriptor, ec);
  check(ec);
  if (!is_regular_) most_at_once_ = pipe_bytes;
}

void Output::open_temporary(const system::FileStatus& target) {
  is_regular_ = true;
  is_replacing_ = target.kind == Kind::regular;
  mode_ = target.mode & 0777;
  if (is_replacing_) {
    if (no_clobber_) fail_exists();
    check(system::check_writable(folder_.get(), name_));
  }
  std::error_code ec;
  file_ = system::create_unnamed(folder_.get(), ec);
  const bool has_name = ec == std::errc::not_supported;
  if (has_name) file_ = create_temporary(folder_.get(), temporary_, ec = {});
  check(ec);
  if (has_name) passing_.emplace(folder_.get(), temporary_);
}

void Output::open_in_place(const system::FileStatus& target) {
  const Deadline deadline{waits_.timeout};
  is_in_place_ = true;
  for (;;) {
    const bool has_passed = deadline.passed();
    waits_.check_cancelled();
    std::error_code ec;
    file_ = system::open_target(folder_.get(), name_, ec);
    const bool has_no_reader = ec == std::errc::no_such_device_or_address && target.kind == Kind::fifo;
    if (!has_no_reader && ec != std::errc::interrupted) check(ec);
    if (!ec) break;
    if (has_passed) throw waits_.too_long(shown_, "no process opened it for reading within");
    system::wait(system::none, {}, deadline.left(retry_delay));
  }
  std::error_code ec;
  const system::FileStatus opened = system::look(file_.get(), ec);
  check(ec);
  // Another file took the name after it was checked.
  if (opened.id != target.id || opened.kind != target.kind) {
    throw Failure{std::make_error_code(std::errc::permission_denied), shown_ + ": was replaced while it was opened"};
  }
}

void Output::wait_writable() const {
  const Deadline deadline{waits_.timeout};
  for (;;) {
    const bool has_passed = deadline.passed();
    waits_.check_cancelled();
    if (system::wait(file_.get(), {.write = true}, deadline.left(glance)).write) return;
    if (has_passed) throw waits_.too_long(shown_, "took no byte for");
  }
}

void Output::write(ByteView bytes) {
  while (!bytes.empty()) {
    if (is_regular_) {
      waits_.check_cancelled();
    } else {
      wait_writable();
    }
    std::error_code ec;
    const std::size_t written = system::write(file_.get(), bytes.first(std::min(bytes.size(), most_at_once_)), ec);
    if (ec != std::errc::interrupted && ec != std::errc::operation_would_block) check(ec);
    count(written);
    bytes = bytes.subspan(written);
  }
}

void Output::complete() {
  if (!is_in_place_ && is_replacing_) check(system::set_mode(file_.get(), mode_));
  // close() may report an error that write() did not. It closes a duplicate, because the file must stay open to get its
  // name.
  std::error_code ec;
  system::Descriptor closed = system::duplicate(file_.get(), ec);
  check(ec);
  check(closed.close());
}

void Output::publish() {
  if (is_in_place_) return;
  std::error_code ec;
  if (!passing_) {
    if (!is_replacing_) {
      ec = system::link(file_.get(), folder_.get(), name_);
      is_new_ = !ec;
      if (is_new_) return;
      if (ec != std::errc::file_exists) check(ec);
      if (no_clobber_) fail_exists();
    }
    ec = with_new_name(temporary_,
                       [&](const std::string& fresh) { return system::link(file_.get(), folder_.get(), fresh); });
    check(ec);
    passing_.emplace(folder_.get(), temporary_);
  }
  ec = system::rename(folder_.get(), temporary_, name_, !no_clobber_);
  if (ec == std::errc::file_exists) fail_exists();
  if (ec == std::errc::device_or_resource_busy) {
    copy_into_target();  // a bind mount: its name cannot be replaced
    return;
  }
  check(ec);
  passing_->keep();
  is_new_ = !is_replacing_;
}

void Output::copy_into_target() {
  std::error_code ec;
  system::Descriptor target = system::open_target(folder_.get(), name_, ec);
  check(ec);
  const system::FileStatus status = system::look(target.get(), ec);
  check(ec);
  if (status.kind != Kind::regular) check(std::make_error_code(std::errc::device_or_resource_busy));
  check(system::truncate(target.get()));
  check(system::rewind(file_.get()));
  std::swap(file_, target);  // from here on it is written in place
  is_in_place_ = true;
  Block block;
  for (;;) {
    const std::size_t count = system::read(target.get(), block.room(block_size), ec);
    if (ec != std::errc::interrupted) check(ec);
    if (count == 0 && !ec) break;
    write(block.first(count));
    ec.clear();
  }
  check(file_.close());
}

void Output::withdraw() noexcept {
  std::error_code ec;
  const system::FileStatus own = system::look(file_.get(), ec);
  const system::FileStatus there = system::look(folder_.get(), name_, ec);
  if (is_new_ && !ec && own.id == there.id) (void)system::remove(folder_.get(), name_);
}

}  // namespace kcom5
