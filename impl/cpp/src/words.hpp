// Failure texts that several files use. The same situation has the same words in every implementation.
#pragma once

#include <chrono>
#include <string>
#include <system_error>

#include "kcom5/failure.hpp"
#include "kcom5/options.hpp"

namespace kcom5 {

/// Where the options point to: "[::1]:13600", or the path.
[[nodiscard]] inline std::string place_of(const Options& options) {
  if (!options.path.empty()) return options.path.string();
  return (options.ipv6 ? "[::1]:" : "127.0.0.1:") + std::to_string(options.port);
}

/// A timeout in words: "150 s", "0.1 s".
[[nodiscard]] inline std::string in_seconds(std::chrono::milliseconds timeout) {
  std::string words = std::to_string(timeout.count() / 1000);
  if (const auto rest = timeout.count() % 1000; rest > 0) {
    words += "." + std::to_string(1000 + rest).substr(1);
    words.resize(words.find_last_not_of('0') + 1);
  }
  return words + " s";
}

/// A descriptor that the caller gave.
[[nodiscard]] inline std::string name_of_descriptor(int descriptor) {
  if (descriptor == 0) return "standard input";
  if (descriptor == 1) return "standard output";
  return "descriptor " + std::to_string(descriptor);
}

/// `io` of something that has a name: "NAME: the reason".
[[nodiscard]] inline Failure failure_of(const std::error_code& ec, const std::string& name) {
  return Failure{ec, name + ": " + reason(ec)};
}

/// Throws `io` of something that has a name, if there is an error.
inline void throw_if(const std::error_code& ec, const std::string& name) {
  if (ec) throw failure_of(ec, name);
}

/// `io` because of the caller's cancel().
[[nodiscard]] inline Failure cancelled_failure() {
  return Failure{std::make_error_code(std::errc::operation_canceled), "cancelled by the caller"};
}

/// The result of `call`, with its Failure as a code, for the overloads with a std::error_code.
template <class Call>
auto without_exception(std::error_code& ec, Call call) -> decltype(call()) {
  ec.clear();
  try {
    return call();
  } catch (const Failure& failure) {
    ec = failure.code();
  }
  return decltype(call())();
}

}  // namespace kcom5
