// Keys and addresses: from a file, a variable or standard input, never from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kcom5/address.hpp"
#include "words.hpp"

namespace kcom5::cli {

/// Text that its destructor overwrites.
class Secret {
 public:
  explicit Secret(std::string secret) noexcept : text{std::move(secret)} {}
  ~Secret() { wipe(text.data(), text.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string text;
};

/// Fails if `name` is not a file but may be an address or a key. The error does not repeat it.
void check_file(const std::string& name);

/// The content of a SOURCE, without one line end. Throws Failure.
Secret read_secret(Words& words, const std::string& source);

/// The key that a SOURCE holds in hexadecimal. Throws Failure, invalid-key.
std::vector<std::uint8_t> read_key(Words& words, const std::string& source);

}  // namespace kcom5::cli
