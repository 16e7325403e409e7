// See secrets.hpp.
#include "secrets.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "signals.hpp"

namespace kcom5::cli {
namespace {

constexpr std::size_t most_bytes = 65536;  // far more than an address or a key needs

bool may_be_secret(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF.: ") == std::string::npos;
}

[[noreturn]] void fail_secret() {
  throw Failure{std::make_error_code(std::errc::no_such_file_or_directory),
                "there is no such file; an address or a key is not given on the command line, but in a file, as "
                "env:NAME or on standard input"};
}

struct File {
  int descriptor;
  ~File() {
    if (descriptor > 0) close(descriptor);
  }
};

/// Reserves first, because a string that grows leaves copies in memory.
std::string read_all(int descriptor, const std::string& name) {
  std::string text(most_bytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    std::error_code ec;
    const std::size_t count = read_some(descriptor, text.data() + size, text.size() - size, ec);
    check_interrupted();
    if (ec == std::errc::interrupted) continue;
    if (ec) throw Failure{ec, name + ": " + reason(ec)};
    if (count == 0) break;
    size += count;
  }
  text.resize(size);
  return text;
}

std::string read_source(Words& words, const std::string& source) {
  if (source.starts_with("env:")) {
    const std::string name = source.substr(4);
    const char* const value = std::getenv(name.c_str());
    if (value != nullptr) return value;
    if (may_be_secret(name)) fail_secret();
    throw Failure{std::make_error_code(std::errc::invalid_argument), "there is no environment variable " + name};
  }
  if (source == "-" || standard_stream_of(source) == 0) {
    if (words.is_closed(0)) {
      throw Failure{std::make_error_code(std::errc::bad_file_descriptor), "standard input is closed"};
    }
    return read_all(0, "standard input");
  }
  check_file(source);
  bool is_open_to_others = false;
  std::error_code ec = std::make_error_code(std::errc::interrupted);
  int descriptor = -1;
  while (ec == std::errc::interrupted) {
    ec.clear();
    descriptor = open_secret(source, is_open_to_others, ec);
    check_interrupted();
  }
  const File file{descriptor};
  if (ec == std::errc::is_a_directory) throw Failure{ec, source + ": is a directory"};
  if (ec) throw Failure{ec, source + ": " + reason(ec)};
  if (is_open_to_others) {
    words.warn(escaped(source) + " can be read by other users: chmod 600 " + escaped(source));
  }
  return read_all(file.descriptor, source);
}

}  // namespace

void check_file(const std::string& name) {
  if (may_be_secret(name) && !exists(name)) fail_secret();
}

Secret read_secret(Words& words, const std::string& source) {
  hide_memory();
  std::string text = read_source(words, source);
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return Secret{std::move(text)};
}

std::vector<std::uint8_t> read_key(Words& words, const std::string& source) {
  Secret digits = read_secret(words, source);
  std::erase_if(digits.text, [](unsigned char c) { return std::isspace(c) != 0; });
  const bool is_hex = std::ranges::all_of(digits.text, [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (!is_hex || digits.text.size() % 2 != 0) {
    throw Failure{Error::invalid_key,
                  "got " + std::to_string(digits.text.size()) + " characters, expected pairs of hexadecimal digits"};
  }
  const auto value_of = [](char digit) {
    return static_cast<std::uint8_t>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
  };
  std::vector<std::uint8_t> key(digits.text.size() / 2);
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(value_of(digits.text[2 * i]) << 4 | value_of(digits.text[2 * i + 1]));
  }
  return key;
}

}  // namespace kcom5::cli
