// A copy buffer for bytes that the kernel cannot move by itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kcom5/wire.hpp"

namespace kcom5 {

inline constexpr std::size_t block_size = std::size_t{1} << 20;
/// Below this size, sendfile() and splice() do not pay.
inline constexpr std::size_t by_system_from = std::size_t{16} << 10;

/// Copy buffer, allocated on first use.
class Block {
 public:
  /// Room for at most `most` bytes. The first call allocates the memory, for at most its `most`.
  std::span<std::uint8_t> room(std::uint64_t most) {
    if (!bytes_) {
      size_ = static_cast<std::size_t>(std::min<std::uint64_t>(block_size, most));
      bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(size_);  // unused pages cost nothing
    }
    return {bytes_.get(), static_cast<std::size_t>(std::min<std::uint64_t>(size_, most))};
  }
  [[nodiscard]] ByteView first(std::size_t count) const noexcept { return {bytes_.get(), count}; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace kcom5
