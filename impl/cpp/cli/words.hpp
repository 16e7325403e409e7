// The output of the program: status lines, errors and hints for people, or JSON lines. All of it is escaped alike.
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

/// Whether the character is visible and does not control a terminal.
bool is_printable(char32_t character) noexcept;

/// The text on one line: unprintable characters as \xHH or \u{HEX}, bytes that are not UTF-8 as \xHH.
std::string escaped(std::string_view text);

/// The same in quotes, cut after 200 characters.
std::string in_quotes(std::string_view text);

/// The text as a JSON string of ASCII; bytes that are not UTF-8 become the text \xHH.
std::string json_string(std::string_view text);

/// The members of a JSON object: names, and values that are JSON already.
using Members = std::vector<std::pair<std::string_view, std::string>>;

/// The hint for a failure.
std::string_view hint_for(Error error) noexcept;
/// The same by the name of an error, or of a situation of impl/README.md.
std::string_view advice_on(std::string_view situation) noexcept;

class Words {
 public:
  explicit Words(const Closed& closed) : closed_{closed} {}

  bool is_quiet = false;
  int json_to = -1;  ///< the descriptor for JSON lines; -1: none are wanted

  [[nodiscard]] bool is_closed(int descriptor) const { return closed_[static_cast<std::size_t>(descriptor)]; }

  /// Prints a status line; write errors are ignored.
  void say(const std::string& line);
  void warn(const std::string& line);
  /// Prints a JSON line, if they are wanted. has_lost() reports a failed write at the end.
  void tell(const Members& members);
  /// Prints the result of the command to standard output. Throws Failure.
  void result(const std::string& text, const Members& members);
  void fail(std::string_view name, const std::string& detail, std::string_view hint);
  /// Returns whether a JSON line could not be written, and prints that error.
  bool has_lost();

  /// Redraws the progress line on a terminal, for transfers that take longer than a second.
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
