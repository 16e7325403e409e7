// See report.hpp. The hints are the same in every implementation's program.
#include "report.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace kcom5::cli {
namespace {

std::string_view hint_for(Error error) {
  switch (error) {
    case Error::invalid_address:
      return "an address is PORT.HH.HH…: a port from 1 to 65535, then 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 two-digit "
             "hexadecimal groups";
    case Error::invalid_key:
      return "a key has 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48 octets; 48 is best";
    case Error::invalid_port:
      return "a port is a number from 1 to 65535; for send, 0 lets the system choose";
    case Error::message_not_utf8:
      return "a message is UTF-8 text; send other octets as data";
    case Error::message_too_long:
      return "a message has at most 4294967295 octets; send more as data";
    case Error::in_use:
      return "another program listens there: choose another --port, or 0 to let the system choose";
    case Error::refused:
      return "nobody listens there: start `kcom5 send` first, with the same --port, --ipv4 or --unix on both sides";
    case Error::timeout:
      return "the other side was silent for too long: is it running? --timeout SECONDS waits longer, 0 for ever";
    case Error::io:
      return "the system gave the reason above: look at the path, the permissions and the disk";
    case Error::invalid_connection:
      return "the program on the other side does not speak KCOM5, or belongs to another user";
    case Error::truncated:
      return "the sender stopped before the end, and nothing was delivered: try again";
    case Error::malformed_message:
      return "the sender's message is not UTF-8: mend the sender";
    case Error::over_limit:
      return "the sender declared more than this receiver takes: raise the limit or ask for less";
    case Error::unconfirmed:
      return "the receiver did not take everything, or did not close in time: do not count on the delivery";
  }
  return {};
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool is_colourful() { return ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string quoted(std::string_view message) {
  constexpr int most = 200;
  std::size_t size = 0;
  for (int characters = 0; size < message.size(); ++size) {
    const bool starts_one = (static_cast<unsigned char>(message[size]) & 0xc0) != 0x80;
    if (starts_one && ++characters > most) break;
  }
  const bool cut = size < message.size();
  std::string text = nlohmann::json(message.substr(0, size)).dump();
  // JSON leaves the control characters U+0080 to U+009F (and U+007F) as they are; terminals obey some of them.
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    std::array<char, 7> escape{};
    if (octet == 0xc2 && next < 0xa0) {
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(next));
      ++i;
    } else if (octet == 0x7f) {
      std::snprintf(escape.data(), escape.size(), "\\u007f");
    } else {
      escape[0] = text[i];
    }
    safe += escape.data();
  }
  return safe + (cut ? "…" : "");
}

void Report::result(const nlohmann::json& object, const std::string& words) const {
  if (json_) {
    std::fprintf(data_on_stdout_ ? stderr : stdout, "%s\n", object.dump().c_str());
    std::fflush(stdout);
  } else {
    std::fprintf(stderr, "kcom5: %s\n", words.c_str());
  }
}

Exit Report::failure(const Failure& failure) const {
  error(name(failure.error()), failure.detail(), hint_for(failure.error()));
  switch (family(failure.error())) {
    case Family::usage:
      return Exit::usage;
    case Family::transport:
      return Exit::transport;
    case Family::protocol:
      return Exit::protocol;
  }
  return Exit::other;
}

void Report::error(std::string_view name, std::string_view detail, std::string_view hint) const {
  if (json_) {
    // The detail may hold a file name, which need not be text.
    const std::string line = nlohmann::json{{"error", name}, {"detail", detail}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::fprintf(data_on_stdout_ ? stderr : stdout, "%s\n", line.c_str());
    return;
  }
  const bool colour = is_colourful();
  std::fprintf(stderr, "kcom5: %serror:%s %s: %s\n", colour ? "\x1b[31m" : "", colour ? "\x1b[0m" : "",
               std::string{name}.c_str(), std::string{detail}.c_str());
  if (!hint.empty()) std::fprintf(stderr, "kcom5: hint: %s\n", std::string{hint}.c_str());
}

Progress::Progress() : is_terminal_{::isatty(STDERR_FILENO) != 0} {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::show(std::uint64_t done, std::uint64_t total) {
  if (!is_terminal_ || total == 0) return;
  const double at = now();
  if (started_ == 0) started_ = at;
  if (at - started_ < 1 || at - last_ < 0.1) return;
  last_ = at;
  shown_ = true;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  std::fprintf(stderr, "\rkcom5: %3.0f %%  %s of %s octets  %.0f MiB/s\x1b[K", 100 * share, with_commas(done).c_str(),
               with_commas(total).c_str(), static_cast<double>(done) / (at - started_) / (1 << 20));
  std::fflush(stderr);
}

}  // namespace kcom5::cli
