// Addresses. Input: the text. Spec: "Address".
//
// Invariant: a text is accepted exactly if it matches the grammar. The key is its groups, repeated to 48 bytes. The
// same port and groups, packed again, are the text in its canonical form. Outcomes: done, or `invalid-address`.
#include "oracle.hpp"

using namespace kcom5_fuzz;

namespace {

/// *Returns* the value of a digit, or 16 for any other byte. The case of a letter is one bit.
unsigned hexadecimal(std::uint8_t digit) {
  const unsigned letter = (digit | 0x20U) - 'a';
  if (letter < 6) return letter + 10;
  return digit >= '0' && digit <= '9' ? digit - unsigned{'0'} : 16;
}

/// *Returns* the number of groups of an address, or 0 for any other text. It reads from the end to the start.
std::size_t groups_of(const std::uint8_t* text, std::size_t size, std::uint8_t (&key)[48]) {
  std::size_t groups = 0;
  while (size >= 3 && text[size - 3] == '.') {
    const unsigned high = hexadecimal(text[size - 2]);
    const unsigned low = hexadecimal(text[size - 1]);
    if (high > 15 || low > 15 || ++groups > 48) return 0;
    key[48 - groups] = static_cast<std::uint8_t>(16 * high + low);
    size -= 3;
  }
  if (size < 1 || size > 5 || text[0] == '0') return 0;
  long port = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (text[i] < '0' || text[i] > '9') return 0;
    port = 10 * port + (text[i] - '0');
  }
  if (port > 65535 || groups == 0 || 48 % groups != 0) return 0;
  for (std::size_t i = 48 - groups; i-- > 0;) key[i] = key[i + groups];
  return groups;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* text, std::size_t size) {
  kcom5_feed(KCOM5_ADDRESS, KCOM5_OCTETS, text, size);
  const kcom5_result result = outcome(KCOM5_ADDRESS);
  std::uint8_t key[48];
  if (groups_of(text, size, key) == 0) {
    require(!result.done && same(result.error, "invalid-address"), "address.reject",
            "it is accepted, or the error differs");
    return 0;
  }
  require(result.done && !result.error, "address.form", "an address is refused");
  require(same(result.data, key, 48), "address.expand", "the key differs");
  require(result.message.size == size, "address.canonical", "packed again, its length differs");
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint8_t lower = text[i] >= 'A' ? text[i] | 0x20 : text[i];
    require(result.message.at[i] == lower, "address.canonical", "packed again, it differs");
  }
  return 0;
}
