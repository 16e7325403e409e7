// pack and unpack for callers who want exceptions.
#include "kcom5/kcom5.hpp"

namespace kcom5 {

std::string pack(int port, ByteView key) {
  std::error_code ec;
  std::string text = pack(port, key, ec);
  if (ec == Error::invalid_port) throw Failure{ec, "got port " + std::to_string(port) + ", expected 1 to 65535"};
  if (ec) {
    throw Failure{ec,
                  "got a key of " + std::to_string(key.size()) + " bytes, expected 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48"};
  }
  return text;
}

Address unpack(std::string_view text) {
  std::error_code ec;
  const Address address = unpack(text, ec);
  if (ec) throw Failure{ec, "got a text of " + std::to_string(text.size()) + " bytes that is not PORT.HH.HH…"};
  return address;
}

}  // namespace kcom5
