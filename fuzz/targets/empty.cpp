// A target that does nothing: the upper bound of the fuzzer's speed on this machine, for `run --speed`.
#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }
