// Reads the files of vectors/ and expands the families, as vectors/README.md says.
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

Pattern filled(const json& rule) {
  Pattern pattern(rule.at("size").get<std::size_t>());
  const std::string fill = rule.at("fill");
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    pattern[i].value = fill == "counter251" ? static_cast<std::uint8_t>(i % 251) : octet_of(fill);
  }
  return pattern;
}

Pattern pattern_of(const json& octets) {
  Pattern pattern;
  if (octets.is_object() && octets.contains("size")) return filled(octets);
  if (octets.is_object()) {
    for (const char c : octets.at("text").get<std::string>())
      pattern.push_back({.value = static_cast<std::uint8_t>(c)});
    return pattern;
  }
  std::istringstream tokens{octets.get<std::string>()};
  for (std::string token; tokens >> token;) {
    if (token[0] == 'n') {
      pattern.push_back({.value = token.size() > 2 ? octet_of(token.substr(3)) : std::uint8_t{0},
                         .nonce = static_cast<std::int8_t>(token[1] - '0')});
    } else {
      pattern.push_back({.value = octet_of(token)});
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

Outcome outcome_of(const json& object) {
  Outcome outcome;
  outcome.ok = object.value("ok", false);
  outcome.error = object.value("error", "");
  if (object.contains("message")) outcome.message = text_of(object["message"]);
  if (object.contains("data")) outcome.data = bytes_of(object["data"]);
  if (object.contains("at")) outcome.at = object["at"].get<std::uint64_t>();
  if (object.contains("after")) outcome.after = object["after"].get<int>();
  if (object.contains("within")) outcome.within = object["within"].get<int>();
  outcome.path = object.value("path", "");
  outcome.nonce_differs = object.contains("nonce");
  if (object.contains("confirmed")) outcome.confirmed = object["confirmed"].get<bool>();
  return outcome;
}

Conversation conversation_of(const json& object) {
  Conversation c;
  c.id = object.at("id");
  c.rule = object.at("rule");
  c.is_server = object.at("role") == "server";
  const json give = object.value("give", json::object());
  if (give.contains("message")) c.message = text_of(give["message"]);
  if (give.contains("data")) c.data = bytes_of(give["data"]);
  if (give.contains("close")) c.close = give["close"].get<int>();
  if (give.contains("port")) {
    c.default_port = give["port"] == "default";
    if (!c.default_port) c.port = give["port"].get<int>();
  }
  if (give.contains("limits")) {
    c.limits.message = give["limits"].value("message", c.limits.message);
    c.limits.data = give["limits"].value("data", c.limits.data);
  }
  for (const json& step : object.value("steps", json::array())) c.steps.push_back(step_of(step));
  if (object.contains("outcome")) c.outcome = outcome_of(object["outcome"]);
  if (object.contains("via")) c.via = object["via"].get<std::vector<std::string>>();
  c.fixed = object.contains("pieces");
  c.setup = object.value("setup", "");
  c.live = object.value("live", false);
  c.times = object.value("times", 1);
  return c;
}

std::string member_id(std::string id, const std::string& value) {
  const std::size_t at = id.find('{');
  return id.replace(at, id.find('}') - at + 1, value);
}

Pattern slice(const Pattern& pattern, std::size_t from, std::size_t to) {
  return {pattern.begin() + static_cast<std::ptrdiff_t>(from), pattern.begin() + static_cast<std::ptrdiff_t>(to)};
}

const Pattern client_hello = pattern_of("4b 43 4f 4d 35 n0 n1 n2");

Step send_step(Pattern octets) { return {.name = "send", .octets = std::move(octets), .argument = {}}; }
Step plain_step(const std::string& name, const std::string& argument = {}) {
  return {.name = name, .octets = {}, .argument = argument};
}

void add_length(Pattern& pattern, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i, value >>= 8) pattern.push_back({.value = static_cast<std::uint8_t>(value)});
}

void add(Pattern& pattern, const Pattern& more) { pattern.insert(pattern.end(), more.begin(), more.end()); }

/// The members of a family, one at a time to `give`.
class Expander {
 public:
  Expander(const std::map<std::string, json>& by_id, std::vector<Conversation>& give) : by_id_{by_id}, give_{give} {}

  void expand(const json& family) {
    family_ = &family;
    const std::string name = family.at("family");
    if (name == "length") {
      length();
    } else if (name == "message") {
      message();
    } else {
      of_ = conversation_of(by_id_.at(family.at("of")));
      stream_ = joined(of_.steps);
      if (name == "cut") {
        cut();
      } else if (name == "truncate") {
        truncate();
      } else if (name == "flip") {
        flip();
      } else {
        throw std::runtime_error("no family " + name);
      }
    }
  }

 private:
  [[nodiscard]] Conversation member(const std::string& value) const {
    Conversation c = conversation_of(*family_);
    c.id = member_id(c.id, value);
    if (!c.is_server) c.steps = {{.name = "expect", .octets = client_hello, .argument = {}}};
    return c;
  }

  [[nodiscard]] Conversation member_of(std::size_t k) const {
    Conversation c = member(std::to_string(k));
    c.message = of_.message;
    c.data = of_.data;
    c.close = of_.close;
    c.limits = of_.limits;
    return c;
  }

  void cut() {
    for (std::size_t k = 1; k < stream_.size(); ++k) {
      Conversation c = member_of(k);
      c.steps.push_back(send_step(slice(stream_, 0, k)));
      c.steps.push_back(plain_step("pause", "tick"));
      c.steps.push_back(send_step(slice(stream_, k, stream_.size())));
      std::size_t last = 0;
      for (std::size_t i = 0; i < of_.steps.size(); ++i) last = of_.steps[i].name == "send" ? i : last;
      c.steps.insert(c.steps.end(), of_.steps.begin() + static_cast<std::ptrdiff_t>(last) + 1, of_.steps.end());
      c.outcome = of_.outcome;
      give_.push_back(c);
    }
  }

  void truncate() {
    std::map<std::size_t, std::string> errors;
    for (const auto& [offset, error] : family_->at("errors").items()) errors[std::stoul(offset)] = error;
    const std::size_t end = family_->value("octets", stream_.size());
    for (std::size_t k = errors.begin()->first; k < end; ++k) {
      Conversation c = member_of(k);
      if (k > 0) c.steps.push_back(send_step(slice(stream_, 0, k)));
      c.steps.push_back(plain_step(family_->at("by")));
      c.outcome.error = std::prev(errors.upper_bound(k))->second;
      c.outcome.at = k;
      give_.push_back(c);
    }
  }

  void flip() {
    for (std::size_t k = 0; k < 8 * family_->at("octets").get<std::size_t>(); ++k) {
      Conversation c = member_of(k);
      Pattern octets = slice(stream_, 0, c.is_server ? stream_.size() : k / 8 + 1);
      octets[k / 8].value ^= static_cast<std::uint8_t>(1U << k % 8);
      c.steps.push_back(send_step(octets));
      c.steps.push_back(plain_step("expect-end"));
      c.outcome.error = "invalid-connection";
      c.outcome.at = k / 8 + 1;
      give_.push_back(c);
    }
  }

  void length() {
    const bool is_data = family_->at("field") == "data";
    for (const std::string value : family_->at("values")) {
      Conversation c = member(value);
      Pattern octets = client_hello;
      if (is_data) add_length(octets, 0, 4);
      add_length(octets, std::stoull(value), is_data ? 8 : 4);
      c.outcome.at = octets.size();
      c.outcome.error = family_->at("error");
      c.steps.push_back(send_step(octets));
      const bool waits = c.outcome.error == "timeout";
      if (waits) c.close = 1;
      c.steps.push_back(plain_step(waits ? "stall" : "expect-end"));
      give_.push_back(c);
    }
  }

  void message() {
    for (const json& value : family_->at("values")) {
      Conversation c = member(value.at(0));
      const Pattern message = pattern_of(value.at(1));
      const Bytes text = resolve(message, {});
      c.outcome.error = family_->value("error", "");
      c.outcome.ok = c.outcome.error.empty();
      Pattern octets = c.is_server ? pattern_of("4b 43 4f 4d 35 aa bb cc") : client_hello;
      const Pattern hello = octets;
      add_length(octets, message.size(), 4);
      add(octets, message);
      add_length(octets, 0, 8);
      if (c.is_server) {
        c.message = {text.begin(), text.end()};
        if (c.outcome.ok) {
          c.steps = {send_step(hello),
                     {.name = "expect", .octets = octets, .argument = {}},
                     plain_step("expect-end"),
                     plain_step("close")};
        }
      } else {
        if (c.outcome.ok) {
          c.outcome.message = {text.begin(), text.end()};
        } else {
          c.outcome.at = 12 + message.size();
        }
        c.steps.push_back(send_step(octets));
        c.steps.push_back(plain_step("expect-end"));
      }
      give_.push_back(c);
    }
  }

  const std::map<std::string, json>& by_id_;
  std::vector<Conversation>& give_;
  const json* family_ = nullptr;
  Conversation of_;
  Pattern stream_;
};

struct All {
  std::vector<Conversation> conversations;
  std::vector<Row> rows;

  All() {
    std::vector<json> families;
    std::map<std::string, json> by_id;
    for (const auto& entry : std::filesystem::directory_iterator{KCOM5_VECTORS}) {
      if (entry.path().extension() != ".json" || entry.path().filename() == "schema.json") continue;
      std::ifstream in{entry.path()};
      const json document = json::parse(in);
      for (const json& object : document.at("vectors")) {
        by_id[object.at("id")] = object;
        if (object.contains("op")) {
          rows.push_back({object.at("id"), object.at("rule"), object});
        } else if (object.contains("family")) {
          families.push_back(object);
        } else {
          conversations.push_back(conversation_of(object));
        }
      }
    }
    Expander expander{by_id, conversations};
    for (const json& family : families) expander.expand(family);
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
    if (step.name == "send") add(pattern, step.octets);
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
