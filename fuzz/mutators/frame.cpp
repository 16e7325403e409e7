// For the targets that take what a server sends: mutates, then mends the echo and the lengths, mostly, so that the
// octets get past them; sometimes sets a length to a boundary, or cuts at a field's boundary.
#include <iterator>

#include "../targets/oracle.hpp"
#include "mutate.hpp"

using namespace kcom5_fuzz;

namespace {

constexpr std::size_t head = 8 + 4 + 8;  // with an empty message

constexpr std::uint64_t boundaries[] = {0,
                                        1,
                                        127,
                                        128,
                                        255,
                                        256,
                                        message_limit - 1,
                                        message_limit,
                                        message_limit + 1,
                                        0x7fff'ffff,
                                        0x8000'0000,
                                        0xffff'ffff,
                                        data_limit - 1,
                                        data_limit,
                                        data_limit + 1,
                                        0x7fff'ffff'ffff'ffff,
                                        0x8000'0000'0000'0000,
                                        0xffff'ffff'ffff'ffff};

// Well formed and not: first and last of each row of RFC 3629, section 4, and what stands just outside.
constexpr const char* characters[] = {"a",
                                      "\x7f",
                                      "\xc2\x80",
                                      "\xdf\xbf",
                                      "\xe0\xa0\x80",
                                      "\xed\x9f\xbf",
                                      "\xee\x80\x80",
                                      "\xef\xbf\xbf",
                                      "\xf0\x90\x80\x80",
                                      "\xf4\x8f\xbf\xbf",
                                      "\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xc2",
                                      "\xe1\x80",
                                      "\xf1\x80\x80"};

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
  // The message ends where its length says, or else somewhere.
  std::size_t message = static_cast<std::size_t>(read_length(octets + 8, 4));
  if (message > size - head || dice(4) == 0) message = dice(size - head + 1);
  write_length(octets + 8, 4, message);
  if (message > 0 && dice(2) == 0) {
    const char* const character = characters[dice(std::size(characters))];
    const std::size_t length = std::strlen(character);
    const std::size_t at = dice(message);
    if (at + length <= message) std::memcpy(octets + 12 + at, character, length);
  }
  std::uint8_t* const data_length = octets + 12 + message;
  write_length(data_length, 8, size - head - message);

  const std::uint64_t boundary = boundaries[dice(std::size(boundaries))];
  const std::size_t fields[] = {8, 12, 12 + message, head + message, size};
  switch (dice(8)) {
    case 0:
      write_length(octets + 8, 4, boundary);
      break;
    case 1:
      write_length(data_length, 8, boundary);
      break;
    case 2: {  // one octet short of a boundary, at it, or over it
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
