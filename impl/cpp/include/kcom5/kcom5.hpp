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
  if (ec == Error::invalid_port) throw Failure{ec, "got port " + std::to_string(port) + ", expected 1 to 65535"};
  if (ec) {
    throw Failure{ec,
                  "got a key of " + std::to_string(key.size()) + " octets, expected a count of them that divides 48"};
  }
  return text;
}

/// As the overload with an `ec`, but throws Failure.
[[nodiscard]] inline Address unpack(std::string_view text) {
  std::error_code ec;
  const Address address = unpack(text, ec);
  // The text itself may hold a key: no message repeats it.
  if (ec) throw Failure{ec, "got a text of " + std::to_string(text.size()) + " octets that is not PORT.HH.HH…"};
  return address;
}

}  // namespace kcom5
