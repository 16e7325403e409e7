// See unix_path.hpp. Everything after the folder was opened is relative to it: its path may lead elsewhere by then.
#include "unix_path.hpp"

#include "kcom5/failure.hpp"
#include "words.hpp"

namespace kcom5 {
namespace {

using Kind = system::FileStatus::Kind;

[[noreturn]] void fail_in_use(const std::string& path, const char* why) {
  throw Failure{Error::in_use, path + ": " + why};
}

}  // namespace

void check_unix_path(const std::filesystem::path& path) {
  const std::string& text = path.native();
  if (text.find('\0') != std::string::npos) {
    throw Failure{std::make_error_code(std::errc::invalid_argument), text + ": the path has a NUL byte"};
  }
  if (text.size() > system::max_path_size) {
    throw Failure{std::make_error_code(std::errc::filename_too_long),
                  text + ": the path has " + std::to_string(text.size()) + " bytes, expected at most " +
                      std::to_string(system::max_path_size)};
  }
}

SocketName::SocketName(const std::filesystem::path& path, const Deadline& deadline, const std::atomic<bool>& cancelled)
    : path_{path.native()} {
  check_unix_path(path);
  open_folder();
  lock(deadline, cancelled);
  make_free();
}

void SocketName::open_folder() {
  // The component behind the last slash; "folder/" names the folder itself.
  const std::size_t slash = path_.find_last_of('/');
  std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  name_ = slash == std::string::npos ? path_ : path_.substr(slash + 1);
  if (name_.empty()) name_ = ".";
  std::error_code ec;
  folder_ = system::open_folder(system::none, folder, true, ec);
  throw_if(ec, path_);
}

void SocketName::lock(const Deadline& deadline, const std::atomic<bool>& cancelled) {
  for (;;) {
    const bool has_passed = deadline.passed();
    if (cancelled) throw cancelled_failure();
    const std::error_code ec = system::lock(folder_.get(), true);
    if (!ec) return;
    if (ec != std::errc::operation_would_block && ec != std::errc::interrupted) throw_if(ec, path_);
    if (has_passed) throw Failure{Error::timeout, "the folder is locked by another process"};
    system::wait(system::none, {}, deadline.left(retry_delay));
  }
}

void SocketName::make_free() {
  std::error_code ec;
  const system::FileStatus found = system::look(folder_.get(), name_, ec);
  throw_if(ec, path_);
  if (found.kind == Kind::absent) return;
  if (found.kind == Kind::link) fail_in_use(path_, "is a symbolic link");
  if (found.kind != Kind::socket) fail_in_use(path_, "is not a socket");
  const bool is_own = found.user == system::user();
  const bool is_stale = system::is_stale(folder_.get(), name_, path_, ec);
  if (ec == std::errc::permission_denied) fail_in_use(path_, "belongs to another user");
  if (ec == std::errc::no_such_file_or_directory) return;  // its server has just removed it
  throw_if(ec, path_);
  if (!is_stale) fail_in_use(path_, "another server listens there");
  if (!is_own) fail_in_use(path_, "belongs to another user");
  const system::FileStatus still = system::look(folder_.get(), name_, ec);
  if (!ec && still.id == found.id && still.kind == Kind::socket) ec = system::remove(folder_.get(), name_);
  if (ec != std::errc::no_such_file_or_directory) throw_if(ec, path_);
}

void SocketName::bound() {
  std::error_code ec;
  const system::FileStatus found = system::look(folder_.get(), name_, ec);
  throw_if(ec, path_);
  if (found.kind != Kind::socket || found.user != system::user()) {
    throw_if(std::make_error_code(std::errc::no_such_file_or_directory), path_);
  }
  made_.emplace(folder_.get(), name_, found.id);
  // bind() takes the umask off the mode.
  if (found.mode != 0600) throw_if(system::set_mode(folder_.get(), name_, 0600), path_);
}

void SocketName::unlock() noexcept { (void)system::lock(folder_.get(), false); }  // closing unlocks, too

}  // namespace kcom5
