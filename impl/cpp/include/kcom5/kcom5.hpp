// All of KCOM5. `Server` sends, `Client` receives, pack() and unpack() make and read addresses.
//
// It compiles with exceptions turned off; the overloads with a std::error_code then throw nothing.
#pragma once

#include <string>
#include <string_view>

#include "kcom5/address.hpp"
#include "kcom5/client.hpp"
#include "kcom5/server.hpp"

namespace kcom5 {

/// As the overload with an `ec`, but throws Failure.
[[nodiscard]] std::string pack(int port, ByteView key);

/// As the overload with an `ec`, but throws Failure. The Failure does not repeat the text, which may hold a key.
[[nodiscard]] Address unpack(std::string_view text);

}  // namespace kcom5
