// The waits of files that are not regular: each is bounded by T and ends when the caller cancels.
#pragma once

#include <atomic>
#include <string>

#include "deadline.hpp"
#include "system.hpp"
#include "words.hpp"

namespace kcom5 {

/// What bounds the waits of one call.
struct Waits {
  int seconds;  // T
  const std::atomic<bool>& cancelled;

  void check_cancelled() const {
    if (cancelled) throw cancelled_failure();
  }

  /// `timeout` of a file: "NAME: WHAT within T s".
  [[nodiscard]] Failure timeout(const std::string& name, const std::string& what) const {
    return Failure{Error::timeout, name + ": " + what + " " + std::to_string(seconds) + " s"};
  }
};

}  // namespace kcom5
