// The one exception of this library, and the name for each code that it carries.
#pragma once

#include <string>
#include <system_error>

#include "kcom5/errors.hpp"

namespace kcom5 {

/// The name for a code that a function of this library returned. A system error keeps its own code, so that its text is
/// not lost. So every code of another category is `Error::io`. *Requires*: `code` is not success.
[[nodiscard]] Error error_of(const std::error_code& code) noexcept;

/// The text of a code, in lower case as within a sentence: "no such file or directory".
[[nodiscard]] std::string reason(const std::error_code& code);

/// A failure and its name: `result.class`. `what()` is "name: detail"; `code()` is the code that the overloads with a
/// std::error_code give.
class Failure : public std::system_error {
 public:
  Failure(std::error_code code, std::string detail);
  explicit Failure(std::error_code code) : Failure(code, reason(code)) {}

  [[nodiscard]] Error error() const noexcept { return error_of(code()); }
  /// The text of what happened: what was got, and what was expected.
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string detail_;
  std::string what_;
};

}  // namespace kcom5
