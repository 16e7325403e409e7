// The table of names and families. Spec: "Results and errors", `result.class`.
#include "kcom5/errors.hpp"

#include <array>
#include <cstddef>
#include <string>

namespace kcom5 {
namespace {

struct Row {
  std::string_view name;
  Family family;
  const char* sentence;
};

// In the order of `Error`.
constexpr std::array<Row, 14> rows{{
    {"invalid-address", Family::usage, "the text is no address"},
    {"invalid-key", Family::usage, "the key's length does not divide 48"},
    {"invalid-port", Family::usage, "the port is out of range"},
    {"message-not-utf8", Family::usage, "the message to send is not well-formed UTF-8"},
    {"message-too-long", Family::usage, "the message to send is over 4294967295 octets"},
    {"in-use", Family::transport, "the port or path is taken"},
    {"refused", Family::transport, "nobody listens"},
    {"timeout", Family::transport, "the time has passed"},
    {"io", Family::transport, "a system error"},
    {"invalid-connection", Family::protocol, "the peer does not speak KCOM5, or is another user"},
    {"truncated", Family::protocol, "the sender stopped before the end"},
    {"malformed-message", Family::protocol, "the message received is not well-formed UTF-8"},
    {"over-limit", Family::protocol, "a declared length is over the limit"},
    {"unconfirmed", Family::protocol, "the client did not take everything, or its end was not seen"},
}};

const Row& row(Error error) noexcept { return rows[static_cast<std::size_t>(error) - 1]; }

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "kcom5"; }
  [[nodiscard]] std::string message(int value) const override { return row(static_cast<Error>(value)).sentence; }
};

}  // namespace

std::string_view name(Error error) noexcept { return row(error).name; }

Family family(Error error) noexcept { return row(error).family; }

const std::error_category& category() noexcept {
  static const Category instance;
  return instance;
}

std::error_code make_error_code(Error error) noexcept { return {static_cast<int>(error), category()}; }

}  // namespace kcom5
