// How the program speaks: words and hints for people, JSON for programs, exit codes, a progress line.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "kcom5/failure.hpp"

namespace kcom5::cli {

enum class Exit { ok = 0, other = 1, usage = 2, transport = 3, protocol = 4 };

/// 1048576 as "1,048,576".
std::string with_commas(std::uint64_t number);

/// A message in quotes, with nothing in it that a terminal would obey; cut after 200 characters.
std::string quoted(std::string_view message);

/// Where results and errors go.
class Report {
 public:
  /// `json`: one object a line, to standard output, or to standard error if the data has standard output.
  Report(bool json, bool data_on_stdout) : json_{json}, data_on_stdout_{data_on_stdout} {}

  /// The result: `object` for programs, `words` for people.
  void result(const nlohmann::json& object, const std::string& words) const;
  /// A failure, with a hint. Returns the exit code of its family.
  [[nodiscard]] Exit failure(const Failure& failure) const;
  /// A failure that is none of the protocol's: `name` and what happened.
  void error(std::string_view name, std::string_view detail, std::string_view hint) const;

 private:
  bool json_;
  bool data_on_stdout_;
};

/// One line on a terminal that is drawn again and again, for transfers that take longer than a second.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::uint64_t done, std::uint64_t total);

 private:
  bool is_terminal_;
  bool shown_ = false;
  double last_ = 0;     // seconds, of a monotonic clock
  double started_ = 0;  // when the first octets were done
};

}  // namespace kcom5::cli
