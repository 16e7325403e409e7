// pack and unpack. Spec: "Address".
#include "kcom5/address.hpp"

namespace kcom5 {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

constexpr bool divides_key_size(std::size_t count) noexcept { return count != 0 && key_size % count == 0; }

/// The value of one hexadecimal digit of either case (`address.case`), or -1.
int digit_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/// The port at the start of `text`, which is removed from it, or 0.
int take_port(std::string_view& text) noexcept {
  int port = 0;
  std::size_t length = 0;
  while (length < text.size() && length < 5 && text[length] >= '0' && text[length] <= '9') {
    port = port * 10 + (text[length++] - '0');
  }
  if (text.empty() || text[0] == '0' || port > max_port) return 0;
  text.remove_prefix(length);
  return port;
}

}  // namespace

std::string pack(int port, ByteView key, std::error_code& ec) {
  ec.clear();
  if (port < 1 || port > max_port) {
    ec = Error::invalid_port;
    return {};
  }
  if (!divides_key_size(key.size())) {
    ec = Error::invalid_key;
    return {};
  }
  std::string text = std::to_string(port);
  for (const std::uint8_t octet : key) {
    text += '.';
    text += digits[octet >> 4];
    text += digits[octet & 15];
  }
  return text;
}

Address unpack(std::string_view text, std::error_code& ec) noexcept {
  ec = Error::invalid_address;
  Address address;
  address.port = take_port(text);
  const std::size_t count = text.size() / 3;
  if (address.port == 0 || text.size() % 3 != 0 || !divides_key_size(count)) return {};
  for (std::size_t i = 0; i < count; ++i) {
    const int high = digit_value(text[3 * i + 1]);
    const int low = digit_value(text[3 * i + 2]);
    if (text[3 * i] != '.' || high < 0 || low < 0) return {};
    address.key[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  for (std::size_t i = count; i < key_size; ++i) address.key[i] = address.key[i - count];
  ec.clear();
  return address;
}

}  // namespace kcom5
