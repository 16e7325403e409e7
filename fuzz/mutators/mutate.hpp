// The common parts of the mutators: libFuzzer's own mutation, small random numbers, and writing lengths.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* octets, std::size_t size, std::size_t most);

namespace kcom5_fuzz {

/// Random numbers from libFuzzer's seed.
class Dice {
 public:
  explicit Dice(unsigned seed) : state_{seed} {}

  /// *Returns* a number from 0 to count - 1.
  std::size_t operator()(std::size_t count) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::size_t>((state_ >> 33) % count);
  }

 private:
  std::uint64_t state_;
};

inline void write_length(std::uint8_t* octets, std::size_t size, std::uint64_t value) {
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace kcom5_fuzz
