// See words.hpp. The hints are the same in every implementation's program.
#include "words.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "kcom5/wire.hpp"

namespace kcom5::cli {
namespace {

constexpr int most_shown = 200;  // characters of a message

/// The first character of the text, which is taken off: its code point, or its only byte and false.
std::pair<char32_t, bool> take_character(std::string_view& text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (size > text.size() || !is_utf8(octets_of(text.substr(0, size)))) {
    text.remove_prefix(1);
    return {lead, false};
  }
  char32_t character = size == 1 ? lead : lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) character = character << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3fU);
  text.remove_prefix(size);
  return {character, true};
}

std::string hexadecimal(const char* format, char32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, static_cast<unsigned>(value));
  return text.data();
}

/// The first character of the text, escaped if that is needed.
std::string take_escaped(std::string_view& text) {
  const std::string_view before = text;
  const auto [character, is_valid] = take_character(text);
  if (is_valid && is_printable(character)) return std::string{before.substr(0, before.size() - text.size())};
  return hexadecimal(!is_valid || character < 0xa0 ? "\\x%02x" : "\\u{%x}", character);
}

std::string object_of(const Members& members) {
  std::string line = "{";
  for (const auto& [name, value] : members) {
    if (line.size() > 1) line += ',';
    line += json_string(name);
    line += ':';
    line += value;
  }
  return line + "}\n";
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string escaped(std::string_view text) {
  std::string safe;
  while (!text.empty()) safe += take_escaped(text);
  return safe;
}

std::string in_quotes(std::string_view text) {
  std::string safe = "\"";
  for (int count = 0; count < most_shown && !text.empty(); ++count) {
    if (text[0] == '"' || text[0] == '\\') safe += '\\';
    safe += take_escaped(text);
  }
  return safe + (text.empty() ? "\"" : "\"…");
}

std::string json_string(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const auto [character, is_valid] = take_character(text);
    if (!is_valid) {
      json += hexadecimal("\\\\x%02x", character);
    } else if (character == '"' || character == '\\') {
      json += '\\';
      json += static_cast<char>(character);
    } else if (character >= 0x20 && character < 0x7f) {
      json += static_cast<char>(character);
    } else if (character < 0x10000) {
      json += hexadecimal("\\u%04x", character);
    } else {
      json += hexadecimal("\\u%04x", 0xd7c0 + (character >> 10)) + hexadecimal("\\u%04x", 0xdc00 | (character & 0x3ff));
    }
  }
  return json + '"';
}

std::string_view hint_for(Error error) noexcept {
  switch (error) {
    case Error::invalid_address:
      return "an address is PORT.HH.HH…: a port from 1 to 65535, then 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 two-digit "
             "hexadecimal groups";
    case Error::invalid_key:
      return "a key has 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 bytes; 48 is best";
    case Error::invalid_port:
      return "a port is a number from 1 to 65535; for send, 0 lets the system choose";
    case Error::message_not_utf8:
      return "a message is UTF-8 text; send other bytes as data";
    case Error::message_too_long:
      return "a message has at most 4294967295 bytes; send more as data";
    case Error::in_use:
      return "another program listens there: choose another --port, or 0 to let the system choose";
    case Error::refused:
      return "nobody listens there: start `kcom5 send` first, with the same --port, --ipv4 or --unix on both sides";
    case Error::timeout:
      return "the other side was silent for too long: is it running? --timeout SECONDS waits longer, 0 for ever";
    case Error::io:
      return "look at the path, the permissions and the disk";
    case Error::invalid_connection:
      return "the program on the other side does not speak KCOM5, or belongs to another user";
    case Error::truncated:
      return "the sender stopped before the end, and nothing was delivered: try again";
    case Error::malformed_message:
      return "the sender's message is not UTF-8: mend the sender";
    case Error::over_limit:
      return "--max-message BYTES and --max-data BYTES raise the limits";
    case Error::unconfirmed:
      return "the receiver did not take everything, or did not close in time: do not count on the delivery";
  }
  return {};
}

std::error_code Words::write(int descriptor, std::string_view text) {
  if (is_closed(descriptor)) return std::make_error_code(std::errc::bad_file_descriptor);
  return write_all(descriptor, text);
}

void Words::say_always(const std::string& line) {
  const std::string clear = std::exchange(has_progress_, false) ? "\r\x1b[K" : "";
  (void)write(2, clear + "kcom5: " + line + "\n");
}

void Words::say(const std::string& line) {
  if (json_to < 0 && !is_quiet) say_always(line);
}

void Words::warn(const std::string& line) {
  if (json_to != 2 && !is_quiet) say_always("warning: " + line);
}

void Words::tell(const Members& members) {
  if (json_to < 0) return;
  if (const std::error_code ec = write(json_to, object_of(members)); ec && !lost_) lost_ = ec;
}

void Words::result(const std::string& text, const Members& members) {
  const auto failed = std::make_error_code(std::errc::bad_file_descriptor);
  if (is_closed(1)) throw Failure{failed, "standard output is closed"};
  if (const std::error_code ec = write(1, json_to < 0 ? text : object_of(members))) {
    throw Failure{ec, "standard output: " + reason(ec)};
  }
}

void Words::fail(std::string_view name, const std::string& detail, std::string_view hint) {
  if (json_to >= 0) {
    tell({{"error", json_string(name)}, {"detail", json_string(detail)}});
    return;
  }
  const bool is_red = is_terminal(2) && std::getenv("NO_COLOR") == nullptr;
  say_always(std::string{is_red ? "\x1b[31merror:\x1b[0m " : "error: "} + std::string{name} +
             (detail.empty() ? "" : ": " + escaped(detail)));
  if (!hint.empty()) say_always("hint: " + std::string{hint});
}

bool Words::has_lost() {
  if (!lost_) return false;
  const bool was_closed = is_closed(json_to);
  const std::string stream = json_to == 1 ? "standard output" : "standard error";
  json_to = -1;
  fail("io", stream + (was_closed ? " is closed" : ": " + reason(lost_)), hint_for(Error::io));
  return true;
}

void Words::progress(std::uint64_t done, std::uint64_t total) {
  if (json_to >= 0 || is_quiet || total == 0 || !is_terminal(2)) return;
  const double at = now();
  if (started_ == 0) started_ = at;
  if (at - started_ < 1 || at - drawn_ < 0.1) return;
  drawn_ = at;
  has_progress_ = true;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  std::array<char, 160> line{};
  std::snprintf(line.data(), line.size(), "\rkcom5: %3.0f %%  %s of %s bytes  %.0f MiB/s\x1b[K", 100 * share,
                with_commas(done).c_str(), with_commas(total).c_str(),
                static_cast<double>(done) / (at - started_) / (1 << 20));
  (void)write(2, line.data());
}

}  // namespace kcom5::cli
