// See platform.hpp.
#include "platform.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "passing_name.hpp"

namespace kcom5::cli {
namespace {

namespace fs = std::filesystem;

constexpr unsigned seconds_to_clean_up = 2;
volatile std::sig_atomic_t code_at_alarm = 1;

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

extern "C" void on_alarm(int) {
  PassingName::remove_all();
  ::_exit(code_at_alarm);
}

/// The path that a new file would have, links followed.
fs::path resolved(fs::path path) {
  std::error_code ec;
  for (int links = 0; links < 40 && fs::is_symlink(path, ec); ++links) {
    path = path.parent_path() / fs::read_symlink(path, ec);
  }
  const fs::path folder = fs::weakly_canonical(path.has_parent_path() ? path.parent_path() : ".", ec);
  return folder / path.filename();
}

bool status_of(const std::string& name, struct stat& status) noexcept {
  const int result = name == "-" ? ::fstat(STDOUT_FILENO, &status) : ::stat(name.c_str(), &status);
  // A terminal or the null device may be named twice.
  return result == 0 && !S_ISCHR(status.st_mode);
}

}  // namespace

Closed open_closed_streams() noexcept {
  Closed closed{};
  for (int descriptor = 0; descriptor < 3; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    closed[static_cast<std::size_t>(descriptor)] = true;
    (void)::open("/dev/null", O_RDWR);  // takes the lowest free number, which is this one
  }
  return closed;
}

std::error_code write_all(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd entry{.fd = descriptor, .events = POLLOUT, .revents = 0};
      ::poll(&entry, 1, -1);
    } else if (errno != EINTR) {
      return last_error();
    }
  }
  return {};
}

bool is_terminal(int descriptor) noexcept { return ::isatty(descriptor) != 0; }

void catch_signals(void (*handler)(int)) noexcept {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction before{};
    ::sigaction(number, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // without SA_RESTART, reads and writes return
    ::sigaction(number, &action, nullptr);
  }
  for (const int number : {SIGPIPE, SIGXFSZ}) (void)std::signal(number, SIG_IGN);
}

void end_soon(int exit_code) noexcept {
  code_at_alarm = exit_code;
  struct sigaction action{};
  action.sa_handler = on_alarm;
  ::sigaction(SIGALRM, &action, nullptr);
  ::alarm(seconds_to_clean_up);
}

bool is_same_file(const std::string& one, const std::string& other) {
  if (one == other) return true;
  if ((one == "-" || standard_stream_of(one) == 1) && (other == "-" || standard_stream_of(other) == 1)) return true;
  struct stat first{};
  struct stat second{};
  const bool has_first = status_of(one, first);
  const bool has_second = status_of(other, second);
  if (has_first && has_second) return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
  if (has_first || has_second || one == "-" || other == "-") return false;
  return resolved(one) == resolved(other) && !exists(resolved(one));
}

int standard_stream_of(const std::string& name) noexcept {
  static constexpr const char* names[][3] = {{"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"},
                                             {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"},
                                             {"/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"}};
  for (int number = 0; number < 3; ++number) {
    for (const char* const other : names[number]) {
      if (name == other) return number;
    }
  }
  return -1;
}

void hide_memory() noexcept {
#ifdef __linux__
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void wipe(void* memory, std::size_t size) noexcept {
  // volatile, so that the compiler does not remove writes that nothing reads.
  volatile char* at = static_cast<volatile char*>(memory);
  while (size-- > 0) *at++ = 0;
}

bool exists(const std::string& path) noexcept {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

int open_secret(const std::string& path, bool& is_open_to_others, std::error_code& ec) noexcept {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  struct stat status{};
  if (file < 0 || ::fstat(file, &status) != 0) ec = last_error();
  if (!ec && S_ISDIR(status.st_mode)) ec = std::make_error_code(std::errc::is_a_directory);
  is_open_to_others = !ec && S_ISREG(status.st_mode) && (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
  return file;
}

std::size_t read_some(int descriptor, char* room, std::size_t size, std::error_code& ec) noexcept {
  const ssize_t count = ::read(descriptor, room, size);
  if (count < 0) ec = last_error();
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

void close(int descriptor) noexcept { ::close(descriptor); }

}  // namespace kcom5::cli
