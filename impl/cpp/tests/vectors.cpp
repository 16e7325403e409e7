// Reads the files of vectors/, as vectors/README.md describes them.
#include "vectors.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

namespace kcom5::test {
namespace {

using nlohmann::json;

std::uint8_t octet_of(const std::string& digits) { return static_cast<std::uint8_t>(std::stoi(digits, nullptr, 16)); }

Pattern pattern_of(const json& octets) {
  Pattern pattern;
  if (octets.contains("size")) {
    pattern.resize(octets.at("size"));
    const std::string fill = octets.at("fill");
    const bool counts = fill == "counter251";
    const std::uint8_t octet = counts ? std::uint8_t{0} : octet_of(fill);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      pattern[i].value = counts ? static_cast<std::uint8_t>(i % 251) : octet;
    }
  } else if (octets.contains("text")) {
    for (const char c : std::string{octets.at("text")}) pattern.push_back({.value = static_cast<std::uint8_t>(c)});
  } else {
    std::istringstream pairs{std::string{octets.is_object() ? octets.at("hex") : octets}};
    for (std::string pair; pairs >> pair;) {
      PatternOctet octet{.value = pair.size() > 2 ? octet_of(pair.substr(3)) : std::uint8_t{0}};
      if (pair[0] == 'n') {
        octet.nonce = static_cast<std::int8_t>(pair[1] - '0');
      } else {
        octet.value ^= octet_of(pair.substr(0, 2));
      }
      pattern.push_back(octet);
    }
  }
  return pattern;
}

Bytes bytes_of(const json& octets) { return resolve(pattern_of(octets), {}); }

std::string text_of(const json& text) {
  if (text.is_string()) return text;
  const Bytes bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

template <class T>
std::optional<T> optional_of(const json& object, const char* key) {
  return object.contains(key) ? std::optional<T>{object.at(key).get<T>()} : std::nullopt;
}

Step step_of(const json& step) {
  Step result{.name = step.at(0), .octets = {}, .argument = {}};
  for (std::size_t i = 1; i < step.size(); ++i) {
    if (result.name == "send" || result.name == "expect") {
      const Pattern part = pattern_of(step[i]);
      result.octets.insert(result.octets.end(), part.begin(), part.end());
    } else {
      result.argument = step[i];
    }
  }
  return result;
}

Conversation conversation_of(const json& vector) {
  const json give = vector.value("give", json::object());
  const json limits = give.value("limits", json::object());
  const json& outcome = vector.at("outcome");
  Conversation c{
      .id = vector.at("id"),
      .rule = vector.at("rule"),
      .is_server = vector.at("role") == "server",
      .message = text_of(give.value("message", json(""))),
      .data = bytes_of(give.value("data", json(""))),
      .limits = {},
      .steps = {},
      .outcome = {.ok = outcome.value("ok", false),
                  .error = outcome.value("error", ""),
                  .message = text_of(outcome.value("message", json(""))),
                  .data = bytes_of(outcome.value("data", json(""))),
                  .at = optional_of<std::uint64_t>(outcome, "at"),
                  .confirmed = optional_of<bool>(outcome, "confirmed")},
      .fixed = vector.contains("pieces"),
      .setup = vector.value("setup", ""),
      .live = vector.value("live", false),
  };
  c.limits.message = limits.value("message", c.limits.message);
  c.limits.data = limits.value("data", c.limits.data);
  for (const json& step : vector.at("steps")) c.steps.push_back(step_of(step));
  return c;
}

struct All {
  std::vector<Conversation> conversations;
  std::vector<Row> rows;

  All() {
    for (const auto& entry : std::filesystem::directory_iterator{KCOM5_VECTORS}) {
      if (entry.path().extension() != ".json" || entry.path().filename() == "schema.json") continue;
      std::ifstream in{entry.path()};
      const json document = json::parse(in);
      for (const json& vector : document.at("vectors")) {
        if (vector.contains("op")) {
          rows.push_back({vector.at("id"), vector.at("rule"), vector});
        } else {
          conversations.push_back(conversation_of(vector));
        }
      }
    }
    if (conversations.size() < 500 || rows.size() < 200)
      throw std::runtime_error("vectors are missing in " KCOM5_VECTORS);
  }
};

const All& all() {
  static const All instance;
  return instance;
}

struct Count {
  std::map<std::string, int> by_rule;
  ~Count() {
    if (by_rule.empty()) return;
    int total = 0;
    for (const auto& [rule, count] : by_rule) total += count;
    std::cout << "replayed " << total << " vectors of " << by_rule.size() << " rules\n";
    if (const char* const file = std::getenv("KCOM5_REPLAYED")) std::ofstream{file} << json(by_rule).dump(1) << '\n';
  }
};

}  // namespace

Bytes resolve(const Pattern& pattern, const Nonce& nonce) {
  Bytes bytes;
  bytes.reserve(pattern.size());
  for (const PatternOctet& octet : pattern) {
    const std::uint8_t base = octet.nonce < 0 ? std::uint8_t{0} : nonce.at(static_cast<std::size_t>(octet.nonce));
    bytes.push_back(octet.value ^ base);
  }
  return bytes;
}

Pattern joined(const std::vector<Step>& steps) {
  Pattern pattern;
  for (const Step& step : steps) {
    if (step.name == "send") pattern.insert(pattern.end(), step.octets.begin(), step.octets.end());
  }
  return pattern;
}

Bytes from_hex(const std::string& text) { return bytes_of(text); }

const std::vector<Conversation>& conversations() { return all().conversations; }
const std::vector<Row>& rows() { return all().rows; }

void count_replayed(const std::string& rule) {
  static Count count;
  ++count.by_rule[rule];
}

}  // namespace kcom5::test
