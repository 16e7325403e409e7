// The waits of files that are not regular: each is bounded by the timeout and ends when the caller cancels.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "deadline.hpp"
#include "system.hpp"
#include "words.hpp"

namespace kcom5 {

/// The bounds of the waits of one call.
struct Waits {
  std::chrono::milliseconds timeout;
  const std::atomic<bool>& cancelled;

  void check_cancelled() const {
    if (cancelled) throw cancelled_failure();
  }

  /// `timeout` of a file: "NAME: WHAT within T s".
  [[nodiscard]] Failure too_long(const std::string& name, const std::string& what) const {
    return Failure{Error::timeout, name + ": " + what + " " + in_seconds(timeout)};
  }
};

}  // namespace kcom5
