// Geometric growth, which moves pages and not bytes where the kernel can. Spec: `limit.memory`.
#include "kcom5/buffer.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "system.hpp"

namespace kcom5 {
namespace {

constexpr std::size_t first_capacity = std::size_t{64} << 10;

}  // namespace

Buffer::~Buffer() { system::release(data_, capacity_); }

Buffer::Buffer(Buffer&& other) noexcept
    : data_{std::exchange(other.data_, nullptr)},
      size_{std::exchange(other.size_, 0)},
      capacity_{std::exchange(other.capacity_, 0)} {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

std::span<std::uint8_t> Buffer::room(std::uint64_t most) {
  if (size_ == capacity_) {
    const std::size_t growth = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(first_capacity, size_), most));
    void* const grown = system::resize(data_, capacity_, size_ + growth);
    if (grown == nullptr) throw std::bad_alloc{};
    data_ = static_cast<std::uint8_t*>(grown);
    capacity_ = size_ + growth;
  }
  return {data_ + size_, static_cast<std::size_t>(std::min<std::uint64_t>(most, capacity_ - size_))};
}

}  // namespace kcom5
