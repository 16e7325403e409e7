// The mutator for the bytes of a client: after libFuzzer's mutation it usually repairs the magic, and cuts near the
// end.
#include "../targets/oracle.hpp"
#include "mutate.hpp"

using namespace kcom5_fuzz;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* octets, std::size_t size, std::size_t most,
                                               unsigned seed) {
  Dice dice{seed};
  size = LLVMFuzzerMutate(octets, size, most);
  if (most < 10 || dice(4) == 0) return size;
  for (; size < 10; ++size) octets[size] = static_cast<std::uint8_t>(dice(256));
  std::memcpy(octets, hello, 5);
  if (dice(4) == 0) octets[dice(5)] ^= static_cast<std::uint8_t>(1 << dice(8));
  return dice(2) ? 4 + dice(7) : size;
}
