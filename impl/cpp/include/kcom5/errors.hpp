// The names of the failures, spelt as in every other implementation: `result.class`.
//
// Core, layer 1: no I/O, no clock, throws nothing. Exceptions are in failure.hpp. Spec: "Results and errors".
#pragma once

#include <string_view>
#include <system_error>

namespace kcom5 {

/// Every way to fail. `name()` gives the spelling of the spec's table.
enum class Error : int {
  invalid_address = 1,  // 0 is success in a std::error_code
  invalid_key,
  invalid_port,
  message_not_utf8,
  message_too_long,
  in_use,
  refused,
  timeout,
  io,
  invalid_connection,
  truncated,
  malformed_message,
  over_limit,
  unconfirmed,
};

/// Who can mend it: the caller, the system, or the peer.
enum class Family { usage, transport, protocol };

/// The name of the spec, such as "invalid-address".
[[nodiscard]] std::string_view name(Error error) noexcept;
[[nodiscard]] Family family(Error error) noexcept;

/// The category of the codes below, called "kcom5"; a code's message is a sentence.
[[nodiscard]] const std::error_category& category() noexcept;
[[nodiscard]] std::error_code make_error_code(Error error) noexcept;

}  // namespace kcom5

template <>
struct std::is_error_code_enum<kcom5::Error> : std::true_type {};
