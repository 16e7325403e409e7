// All of KCOM5. `Server` sends, `Client` receives, pack() and unpack() make and read addresses.
#pragma once

#include <string>
#include <string_view>

#include "kcom5/address.hpp"
#include "kcom5/client.hpp"
#include "kcom5/server.hpp"

namespace kcom5 {

/// As the overload with an `ec`, but throws Failure.
[[nodiscard]] inline std::string pack(int port, Octets key) {
  std::error_code ec;
  std::string text = pack(port, key, ec);
  if (ec) throw Failure{ec};
  return text;
}

/// As the overload with an `ec`, but throws Failure.
[[nodiscard]] inline Address unpack(std::string_view text) {
  std::error_code ec;
  const Address address = unpack(text, ec);
  if (ec) throw Failure{ec};
  return address;
}

}  // namespace kcom5
