// The command line of the program: its words, and what they mean. Nothing is opened here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace kcom5::cli {

/// The command line is wrong. The text repeats no value, which may be a secret in the wrong place.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A parsed command line.
struct Options {
  std::string command;  // one of the four, or "help", or "version"
  std::string about;    // the command that help is for
  std::string operand = "-";
  std::map<std::string, std::string> values;  // by long names; a flag has an empty value

  [[nodiscard]] bool has(const std::string& name) const { return values.contains(name); }
  [[nodiscard]] std::string get(const std::string& name, const std::string& otherwise = {}) const;
  /// A number that is known to be in its range.
  [[nodiscard]] std::int64_t number(const std::string& name, std::int64_t otherwise) const;
  [[nodiscard]] std::uint64_t size(const std::string& name, std::uint64_t otherwise) const;
  /// The port if it is one of `lowest` to 65535; its text may have any length.
  [[nodiscard]] std::optional<int> port(int lowest) const;
  [[nodiscard]] std::string output() const { return get("--output", "-"); }
  /// Whether data or message are written to standard output.
  [[nodiscard]] bool writes_to_stdout() const;
};

/// Throws UsageError.
Options parse(std::vector<std::string> words);

/// The help of a command, or of the program.
std::string help_of(const std::string& command);

}  // namespace kcom5::cli
