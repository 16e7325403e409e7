// A buffer that grows as bytes arrive, and that is handed to the caller without a copy.
//
// It is not a general container; it offers only what a receiver needs. Spec: `limit.memory`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kcom5/wire.hpp"

namespace kcom5 {

/// Owns bytes. Movable, not copyable.
class Buffer {
 public:
  Buffer() noexcept = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  [[nodiscard]] const std::uint8_t* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] ByteView bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
  /// *Returns* a copy, which costs as much time as receiving the bytes did.
  [[nodiscard]] std::vector<std::uint8_t> to_vector() const { return {data_, data_ + size_}; }

  /// *Returns* free memory behind the bytes, at least one byte and at most `most`. `most` is the number of bytes still
  /// to come, so that the last growth fits. The buffer grows in proportion to size(). *Requires*: most > 0. *Errors*:
  /// throws std::bad_alloc.
  [[nodiscard]] std::span<std::uint8_t> room(std::uint64_t most);
  /// Records that the first `count` bytes of room() are filled.
  void filled(std::size_t count) noexcept { size_ += count; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace kcom5
