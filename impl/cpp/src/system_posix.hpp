// Results of system calls, for the POSIX parts of system.hpp.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cerrno>

#include "system.hpp"

namespace kcom5::system {

[[nodiscard]] inline std::error_code last_error() noexcept { return {errno, std::system_category()}; }

/// The result of a call: a count, or 0 and the error.
[[nodiscard]] inline std::size_t counted(ssize_t result, std::error_code& ec) noexcept {
  if (result < 0) ec = last_error();
  return result < 0 ? 0 : static_cast<std::size_t>(result);
}

/// While it exists, a call on a closed connection or pipe raises no SIGPIPE here: write() and sendfile() have no
/// MSG_NOSIGNAL.
class WithoutSignal {
 public:
  WithoutSignal() noexcept {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    is_pending_ = is_pending();
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSignal() {
    const int error = errno;
    int number = 0;
    if (!is_pending_ && is_pending()) ::sigwait(&pipe_, &number);  // also when some bytes were sent before
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  WithoutSignal(const WithoutSignal&) = delete;
  WithoutSignal& operator=(const WithoutSignal&) = delete;

 private:
  static bool is_pending() noexcept {
    sigset_t pending{};
    return ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGPIPE) == 1;
  }

  sigset_t pipe_{};
  sigset_t before_{};
  bool is_pending_ = false;
};

}  // namespace kcom5::system
