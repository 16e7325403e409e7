// The numbered sets of inputs, and the frame of a peer program. Twins: go/generate.go, generate.py: the same inputs, in
// the same order, octet for octet. What a peer is asked and answers: README.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace kcom5_differential {

using Bytes = std::vector<std::uint8_t>;

/// What happens to an exchange: octets if `event` is empty, else an event of the spec's tables.
struct Act {
  std::string event;
  Bytes octets;
  bool is_asked = false;  // to be given as the core asks for them
};

/// One input: a text for unpack, a port and a key for pack, a message (or one so long) to check, or an exchange.
struct Input {
  char role = 0;  // u unpack, p pack, m message, l length of a message, c client, s server
  bool has_offset = true;
  std::int64_t port = 0;
  Bytes octets;                 // u: the text, p: the key, m: the message, s: the message to send
  std::uint64_t data_size = 0;  // s; l: octets of message
  std::uint64_t message_limit = 0;
  std::uint64_t data_limit = 0;
  std::string start;  // c, s: the event at the beginning, or empty
  std::vector<Act> acts;
};

/// The names of the spec's table of errors, in its order. 0 is success, 15 an exchange that has not ended.
inline constexpr std::array<const char*, 16> outcomes = {"ok",
                                                         "invalid-address",
                                                         "invalid-key",
                                                         "invalid-port",
                                                         "message-not-utf8",
                                                         "message-too-long",
                                                         "in-use",
                                                         "refused",
                                                         "timeout",
                                                         "io",
                                                         "invalid-connection",
                                                         "truncated",
                                                         "malformed-message",
                                                         "over-limit",
                                                         "unconfirmed",
                                                         "not ended"};

/// What a core takes when its caller says nothing: of message, of data.
extern const std::array<std::uint64_t, 2> default_limits;

/// Reads the inputs for `changes` and `replay` from a file.
void load(const std::string& path);

/// How many inputs a set has.
std::uint64_t size_of(const std::string& set);

/// Number `index` of a set.
Input input_of(const std::string& set, std::uint64_t seed, std::uint64_t index);

/// The input in words.
std::string words_of(const Input& input);

}  // namespace kcom5_differential
