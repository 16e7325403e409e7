// One absolute bound for one wait. Spec: "Time", `time.bounds`, `time.never`.
#pragma once

#include <algorithm>
#include <chrono>

namespace kcom5 {

/// A wait checks at least this often for a cancellation and for acknowledged bytes.
inline constexpr std::chrono::milliseconds glance{250};
/// The delay between two attempts where no event tells when to retry.
inline constexpr std::chrono::milliseconds retry_delay{10};

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;  // monotonic

  /// Starts now. A period that the clock cannot hold, such as `forever`, never ends.
  explicit Deadline(std::chrono::milliseconds period) noexcept
      : period_{std::max(period, std::chrono::milliseconds{0})} {
    restart();
  }

  void restart() noexcept {
    const Clock::time_point now = Clock::now();
    const auto most = std::chrono::floor<std::chrono::milliseconds>(Clock::time_point::max() - now);
    at_ = period_ < most ? now + period_ : Clock::time_point::max();
  }

  [[nodiscard]] bool passed() const noexcept { return Clock::now() >= at_; }

  /// The time left, but at most `most`; rounded up, so that a wait for it never ends early.
  [[nodiscard]] std::chrono::milliseconds left(std::chrono::milliseconds most) const noexcept {
    const auto left = at_ - Clock::now();
    if (left >= most) return most;
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds{0});
  }

 private:
  std::chrono::milliseconds period_;
  Clock::time_point at_{};
};

}  // namespace kcom5
