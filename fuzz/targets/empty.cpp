// A target that does nothing: the ceiling of what the fuzzer and this machine can do, for `run --speed`.
#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }
