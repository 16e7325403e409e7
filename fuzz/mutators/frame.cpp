// The mutator for the bytes of a server: after libFuzzer's mutation it usually repairs the echo and the lengths, so
// that parsing goes on. Sometimes it sets a length to a boundary, or cuts at a field's boundary.
#include <iterator>

#include "../targets/oracle.hpp"
#include "mutate.hpp"

using namespace kcom5_fuzz;

namespace {

constexpr std::size_t head = 8 + 4 + 8;  // with an empty message

// Exponents of two. The limits are 2^24 and 2^40.
constexpr unsigned boundaries[] = {0, 7, 8, 24, 31, 32, 40, 63};

// Well-formed and ill-formed UTF-8: the first and last of each row of RFC 3629, section 4, and the ones next to them.
constexpr std::uint32_t characters[] = {0x61,     0x7f,       0xc280,     0xdfbf,     0xe0a080, 0xed9fbf, 0xee8080,
                                        0xefbfbf, 0xf0908080, 0xf48fbfbf, 0x80,       0xc1bf,   0xe09fbf, 0xeda080,
                                        0xedbfbf, 0xf08fbfbf, 0xf4908080, 0xf5808080, 0xc2,     0xe180,   0xf18080};

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* octets, std::size_t size, std::size_t most,
                                               unsigned seed) {
  Dice dice{seed};
  size = LLVMFuzzerMutate(octets, size, most);
  if (most < head || dice(8) == 0) return size;

  std::memcpy(octets, hello, sizeof hello);
  if (size < head) {
    std::memset(octets + std::max<std::size_t>(size, 8), 0, head - std::max<std::size_t>(size, 8));
    size = head;
  }
  // The message ends where its length says, or at a random place.
  std::size_t message = static_cast<std::size_t>(read_length(octets + 8, 4));
  if (message > size - head || dice(4) == 0) message = dice(size - head + 1);
  write_length(octets + 8, 4, message);
  if (message > 0 && dice(2) == 0) {
    std::uint32_t character = characters[dice(std::size(characters))];
    for (std::size_t at = dice(message) + 1; at > 0 && character != 0; character >>= 8)
      octets[12 + --at] = static_cast<std::uint8_t>(character);
  }
  std::uint8_t* const data_length = octets + 12 + message;
  write_length(data_length, 8, size - head - message);

  const std::uint64_t boundary = (std::uint64_t{1} << boundaries[dice(std::size(boundaries))]) + dice(4) - 2;
  const std::size_t fields[] = {8, 12, 12 + message, head + message, size};
  switch (dice(8)) {
    case 0:
      write_length(octets + 8, 4, boundary);
      break;
    case 1:
      write_length(data_length, 8, boundary);
      break;
    case 2: {  // one byte before a boundary, at it, or after it
      const std::size_t cut = fields[dice(std::size(fields))] + dice(3) - 1;
      size = std::min(cut, size);
      break;
    }
    case 3:
      octets[dice(sizeof hello)] ^= static_cast<std::uint8_t>(1 << dice(8));
      break;
    default:
      break;
  }
  return size;
}
