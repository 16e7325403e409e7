// One absolute bound for one wait. Spec: "Time", `time.bounds`, `time.never`.
#pragma once

#include <algorithm>
#include <chrono>

namespace kcom5 {

/// A wait looks around at least this often: for a cancellation, and for bytes that were acknowledged.
inline constexpr std::chrono::milliseconds glance{250};
/// The time between two attempts where nothing tells when the next one is worth while.
inline constexpr std::chrono::milliseconds retry_delay{10};

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;  // monotonic

  /// Starts now. Zero and negative seconds: never.
  explicit Deadline(int seconds) noexcept : period_{seconds} { restart(); }

  void restart() noexcept {
    if (limited()) at_ = Clock::now() + period_;
  }

  [[nodiscard]] bool passed() const noexcept { return limited() && Clock::now() >= at_; }

  /// The time left, but at most `most`; rounded up, so that a wait for it never ends early.
  [[nodiscard]] std::chrono::milliseconds left(std::chrono::milliseconds most) const noexcept {
    if (!limited()) return most;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now());
    return std::clamp(left, std::chrono::milliseconds{0}, most);
  }

 private:
  [[nodiscard]] bool limited() const noexcept { return period_.count() > 0; }

  std::chrono::seconds period_;
  Clock::time_point at_{};
};

}  // namespace kcom5
