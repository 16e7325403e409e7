// What the program says: status lines, errors and hints for people, or JSON lines. One escaping for everything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "kcom5/failure.hpp"
#include "platform.hpp"

namespace kcom5::cli {

/// 1048576 as "1,048,576".
std::string with_commas(std::uint64_t number);

/// Whether a reader sees the character, and a terminal does not obey it.
bool is_printable(char32_t character) noexcept;

/// The text on one line: what is not printable as \xHH or \u{HEX}, bytes that are not UTF-8 as \xHH.
std::string escaped(std::string_view text);

/// The same in quotes, cut after 200 characters.
std::string in_quotes(std::string_view text);

/// The text as a JSON string of ASCII; bytes that are not UTF-8 become the text \xHH.
std::string json_string(std::string_view text);

/// The members of a JSON object: names, and values that are JSON already.
using Members = std::vector<std::pair<std::string_view, std::string>>;

/// What to do about a failure.
std::string_view hint_for(Error error) noexcept;
/// The same by the name of an error, or of a situation of impl/README.md.
std::string_view advice_on(std::string_view situation) noexcept;

class Words {
 public:
  explicit Words(const Closed& closed) : closed_{closed} {}

  bool is_quiet = false;
  int json_to = -1;  ///< the descriptor for JSON lines; -1: none are wanted

  [[nodiscard]] bool is_closed(int descriptor) const { return closed_[static_cast<std::size_t>(descriptor)]; }

  /// Says how it goes. That nobody reads it changes nothing.
  void say(const std::string& line);
  void warn(const std::string& line);
  /// A JSON line, if they are wanted. That it cannot be written is told at the end: lost().
  void tell(const Members& members);
  /// What the command is for, to standard output. Throws Failure.
  void result(const std::string& text, const Members& members);
  void fail(std::string_view name, const std::string& detail, std::string_view hint);
  /// Says that a JSON line could not be written, if one could not.
  bool has_lost();

  /// One line on a terminal that is drawn again and again, for transfers that take longer than a second.
  void progress(std::uint64_t done, std::uint64_t total);

 private:
  std::error_code write(int descriptor, std::string_view text);
  void say_always(const std::string& line);

  Closed closed_;
  std::error_code lost_;
  bool has_progress_ = false;
  double started_ = 0;  // seconds, of a monotonic clock, when the first bytes were done
  double drawn_ = 0;
};

}  // namespace kcom5::cli
