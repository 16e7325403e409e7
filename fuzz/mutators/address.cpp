// The mutator for addresses: after libFuzzer's mutation it usually writes a boundary port, dots, digits, and an allowed
// number of groups.
#include <cstdio>
#include <iterator>

#include "mutate.hpp"

using namespace kcom5_fuzz;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* text, std::size_t size, std::size_t most, unsigned seed) {
  Dice dice{seed};
  size = LLVMFuzzerMutate(text, size, most);
  if (most < 160 || dice(4) == 0) return size;
  constexpr const char* ports[] = {"1",     "9",     "10", "13600", "65535", "65536", "65540",
                                   "66000", "70000", "0",  "01",    "99999", "165535"};
  constexpr std::size_t counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 48, 5, 47, 0, 49};
  const char* const port = ports[dice(std::size(ports))];
  const std::size_t start = std::strlen(port);
  const std::size_t groups = counts[dice(std::size(counts))];
  const std::size_t whole = start + 3 * groups;
  for (std::size_t i = start; i < whole; ++i) {
    const std::uint8_t old = i < size ? text[i] : static_cast<std::uint8_t>(dice(256));
    text[i] = static_cast<std::uint8_t>((i - start) % 3 == 0 ? '.' : "0123456789abcdefABCDEF"[old % 22]);
  }
  std::memcpy(text, port, start);
  // Unchanged, or with one wrong byte, or cut.
  switch (dice(4)) {
    case 0:
      text[dice(whole)] = static_cast<std::uint8_t>(dice(256));
      return whole;
    case 1:
      return dice(whole + 1);
    default:
      return whole;
  }
}
