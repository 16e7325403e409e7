// Results of system calls, for the POSIX parts of system.hpp.
#pragma once

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

}  // namespace kcom5::system
