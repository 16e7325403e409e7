// The definitions for oracle.hpp: the count of memory, and the counters that libFuzzer reads.
#include "oracle.hpp"

namespace {

std::uint64_t total = 0;

#if defined(__linux__)
__attribute__((section("__libfuzzer_extra_counters")))
#endif
std::uint8_t counters[64];

}  // namespace

std::uint64_t kcom5_fuzz::allocated() { return total; }

void kcom5_fuzz::progress(const kcom5_result& result) {
  counters[std::min<std::uint64_t>(result.consumed, 31)] = 1;
  if (result.done || result.error) counters[32 + std::min<std::uint64_t>(result.consumed, 31)] = result.done ? 1 : 2;
}

// AddressSanitizer calls these for every malloc and operator new.
extern "C" void __sanitizer_malloc_hook(const volatile void*, std::size_t size) { total += size; }
extern "C" void __sanitizer_free_hook(const volatile void*) {}
