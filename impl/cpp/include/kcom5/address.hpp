// A port and a session key in one string. Spec: "Address".
//
// Core, layer 1: no I/O, no clock. It does not use the key: applications encrypt with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "kcom5/errors.hpp"
#include "kcom5/wire.hpp"

namespace kcom5 {

inline constexpr std::size_t key_size = 48;
inline constexpr int max_port = 65535;

struct Address {
  int port = 0;                              ///< 1 to 65535
  std::array<std::uint8_t, key_size> key{};  ///< the groups, repeated to 48 bytes: `address.expand`
};

/// *Returns* the address of `port`, 1 to 65535, and `key`, of 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 bytes: `address.form`,
/// `address.canonical`. *Errors*, in this order (`address.pack-reject`): invalid-port, invalid-key. The string is then
/// empty.
[[nodiscard]] std::string pack(int port, ByteView key, std::error_code& ec);

/// *Returns* the port and key of `text`. *Errors*: invalid-address (`address.reject`).
[[nodiscard]] Address unpack(std::string_view text, std::error_code& ec) noexcept;

}  // namespace kcom5
