#include "kcom5/failure.hpp"

#include <utility>

namespace kcom5 {

Error error_of(const std::error_code& code) noexcept {
  return code.category() == category() ? static_cast<Error>(code.value()) : Error::io;
}

std::string reason(const std::error_code& code) {
  std::string text = code.message();
  const auto is_upper = [&text](std::size_t at) { return text[at] >= 'A' && text[at] <= 'Z'; };
  if (text.size() > 1 && is_upper(0) && !is_upper(1)) text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

Failure::Failure(std::error_code code, std::string detail)
    : std::system_error{code}, detail_{std::move(detail)}, what_{std::string{name(error_of(code))} + ": " + detail_} {}

}  // namespace kcom5
