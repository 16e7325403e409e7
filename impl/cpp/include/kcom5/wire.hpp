// The bytes of the wire format: constants, lengths, UTF-8. Twin of the spec's "Wire format", in the same order.
//
// Core, layer 1: no I/O, no clock, throws nothing, allocates nothing. exchange.hpp has the order of the parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kcom5 {

using ByteView = std::span<const std::uint8_t>;

inline constexpr std::array<std::uint8_t, 5> magic{0x4b, 0x43, 0x4f, 0x4d, 0x35};  // "KCOM5"
inline constexpr std::size_t nonce_size = 3;
inline constexpr std::size_t hello_size = 5 + 3;  // magic + nonce; the echo is as long
inline constexpr std::size_t message_length_size = 4;
inline constexpr std::size_t data_length_size = 8;
inline constexpr std::uint64_t max_message_size = 0xffff'ffff;  // the most that message_length_size bytes hold

using Nonce = std::array<std::uint8_t, nonce_size>;
using Hello = std::array<std::uint8_t, hello_size>;

/// The client's eight bytes, and their echo: `hello.form`.
[[nodiscard]] constexpr Hello make_hello(const Nonce& nonce) noexcept {
  return {magic[0], magic[1], magic[2], magic[3], magic[4], nonce[0], nonce[1], nonce[2]};
}

/// `value` in Size bytes, little-endian: `message.length`, `data.length`. *Requires*: it fits.
template <std::size_t Size>
[[nodiscard]] constexpr std::array<std::uint8_t, Size> encode_length(std::uint64_t value) noexcept {
  std::array<std::uint8_t, Size> octets{};
  for (std::uint8_t& octet : octets) {
    octet = static_cast<std::uint8_t>(value);
    value >>= 8;
  }
  return octets;
}

/// The value of at most eight bytes, little-endian.
[[nodiscard]] constexpr std::uint64_t decode_length(ByteView octets) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = octets.size(); i-- > 0;) value = value << 8 | octets[i];
  return value;
}

/// Whether `octets` are well-formed UTF-8 (RFC 3629): `message.utf8`. Empty input is well-formed.
[[nodiscard]] bool is_utf8(ByteView octets) noexcept;

/// Text as bytes, without a copy.
[[nodiscard]] inline ByteView bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace kcom5
