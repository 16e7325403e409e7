#include "kcom5/failure.hpp"

#include <utility>

namespace kcom5 {

Error error_of(const std::error_code& code) noexcept {
  return code.category() == category() ? static_cast<Error>(code.value()) : Error::io;
}

Failure::Failure(std::error_code code, std::string detail)
    : std::system_error{code}, detail_{std::move(detail)}, what_{std::string{name(error_of(code))} + ": " + detail_} {}

}  // namespace kcom5
