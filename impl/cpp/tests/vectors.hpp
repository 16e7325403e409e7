// The vectors as C++ values. Format: vectors/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kcom5/exchange.hpp"

namespace kcom5::test {

using Bytes = std::vector<std::uint8_t>;

/// One octet of a vector: a value, or an octet of the client's nonce exclusive-or a value.
struct PatternOctet {
  std::uint8_t value = 0;
  std::int8_t nonce = -1;  // 0 to 2, or none
};
using Pattern = std::vector<PatternOctet>;

[[nodiscard]] Bytes resolve(const Pattern& pattern, const Nonce& nonce);

struct Step {
  std::string name;
  Pattern octets;        // of send and expect
  std::string argument;  // of the others
};

struct Outcome {
  bool ok = false;
  std::string error;
  std::string message;
  Bytes data;
  std::optional<std::uint64_t> at;
  std::optional<bool> confirmed;
};

struct Conversation {
  std::string id;
  std::string rule;
  bool is_server = false;
  std::string message;
  Bytes data;
  Limits limits;
  std::vector<Step> steps;
  Outcome outcome;
  bool fixed = false;
  std::string setup;
  bool live = false;
};

struct Row {
  std::string id;
  std::string rule;
  nlohmann::json json;
};

[[nodiscard]] const std::vector<Conversation>& conversations();
[[nodiscard]] const std::vector<Row>& rows();

/// All that one conversation's peer sends, joined.
[[nodiscard]] Pattern joined(const std::vector<Step>& steps);
[[nodiscard]] Bytes from_hex(const std::string& text);

/// Adds to the count of vectors replayed, by rule. Written to the file named by KCOM5_REPLAYED when the process ends.
void count_replayed(const std::string& rule);

}  // namespace kcom5::test
