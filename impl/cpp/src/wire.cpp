// UTF-8 as RFC 3629 defines it. Spec: `message.utf8`.
#include "kcom5/wire.hpp"

namespace kcom5 {

bool is_utf8(ByteView octets) noexcept {
  const std::uint8_t* at = octets.data();
  const std::uint8_t* const end = at + octets.size();
  const auto continues = [&](std::uint8_t low, std::uint8_t high) {
    if (at == end || *at < low || *at > high) return false;
    ++at;
    return true;
  };
  while (at != end) {
    const std::uint8_t lead = *at++;
    if (lead < 0x80) continue;
    // RFC 3629, section 4: only the second byte has bounds that depend on the first.
    bool well_formed = false;
    if (lead >= 0xc2 && lead <= 0xdf) {
      well_formed = continues(0x80, 0xbf);
    } else if (lead >= 0xe0 && lead <= 0xef) {
      well_formed = continues(lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && continues(0x80, 0xbf);
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      well_formed = continues(lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && continues(0x80, 0xbf) &&
                    continues(0x80, 0xbf);
    }
    if (!well_formed) return false;
  }
  return true;
}

}  // namespace kcom5
