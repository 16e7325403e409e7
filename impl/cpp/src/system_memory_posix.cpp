// system.hpp for POSIX: memory and randomness. Linux-only parts are marked.
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "system_posix.hpp"

namespace kcom5::system {

void random(std::span<std::uint8_t> octets, std::error_code& ec) noexcept {
  if (::getentropy(octets.data(), octets.size()) != 0) ec = last_error();
}

// ThreadSanitizer does not see mremap. It reports a race when one thread moved memory away and another got its place.
// So its preset defines KCOM5_NO_MREMAP.
#if defined(__linux__) && !defined(KCOM5_NO_MREMAP)

namespace {
/// Smaller memory is cheaper to copy than to map.
constexpr std::size_t map_from = std::size_t{1} << 20;
}  // namespace

void* resize(void* memory, std::size_t before, std::size_t after) noexcept {
  if (after < map_from) return std::realloc(memory, after);
  const bool is_map = before >= map_from;
  void* const map = is_map ? ::mremap(memory, before, after, MREMAP_MAYMOVE)
                           : ::mmap(nullptr, after, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  // Always the whole map: a part with other advice would be a map of its own, and mremap() could not move it with the
  // rest.
  ::madvise(map, after, MADV_HUGEPAGE);
  if (!is_map && memory != nullptr) {
    std::memcpy(map, memory, before);
    std::free(memory);
  }
  return map;
}

void release(void* memory, std::size_t size) noexcept {
  if (size < map_from) {
    std::free(memory);
  } else {
    ::munmap(memory, size);
  }
}

#else

void* resize(void* memory, std::size_t /*before*/, std::size_t after) noexcept { return std::realloc(memory, after); }
void release(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

#endif

}  // namespace kcom5::system
