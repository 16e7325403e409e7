// See options.hpp. The three programs accept and reject the same words.
#include "options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string_view>
#include <utility>

#include "platform.hpp"

namespace kcom5::cli {
namespace {

enum class Kind { flag, text, maybe_empty, port, seconds, wait, size };

struct Option {
  std::string_view name;
  Kind kind;
  std::string_view value;
  std::string_view help;
  std::string_view commands;  // initials of those that take it
};

constexpr std::string_view source_help =
    "`-` is standard input, env:NAME an environment variable, anything else a file";

// In the order of the help.
constexpr Option all_options[] = {
    {"--output", Kind::text, "FILE", "where to put the data; `-`, the default, is standard output", "r"},
    {"--port", Kind::port, "N", "1 to 65535 (13600); to send, 0 lets the system choose", "srp"},
    {"--ipv4", Kind::flag, "", "use 127.0.0.1, not ::1", "sr"},
    {"--unix", Kind::text, "PATH", "use a Unix-domain socket at this path", "sr"},
    {"--address", Kind::text, "SOURCE", "take the port from an address: a SOURCE", "sr"},
    {"--timeout", Kind::seconds, "SECONDS", "bound of each wait (150); 0 or less: never", "sr"},
    {"--message", Kind::maybe_empty, "TEXT", "the message", "s"},
    {"--message-file", Kind::text, "FILE", "the file of the message; `-` is standard input or output", "sr"},
    {"--spool-dir", Kind::text, "DIR", "where input without a size is kept meanwhile (TMPDIR, else /tmp)", "s"},
    {"--wait", Kind::wait, "SECONDS", "keep trying while nobody listens (2); 0: fail at once", "r"},
    {"--max-message", Kind::size, "BYTES", "the longest message that is taken (16777216)", "r"},
    {"--max-data", Kind::size, "BYTES", "the most data that is taken (no limit)", "r"},
    {"--no-clobber", Kind::flag, "", "do not replace a file that exists", "r"},
    {"--key", Kind::text, "SOURCE", "the key in hexadecimal: a SOURCE", "p"},
    {"--quiet", Kind::flag, "", "say nothing but errors", "sr"},
    {"--json", Kind::flag, "", "one JSON object a line, failures too", "srpu"},
};

struct Command {
  std::string_view name;
  std::string_view operand;
  std::string_view text;
};

constexpr Command all_commands[] = {
    {"send", "FILE", "Listen, and send a file to the first receiver."},
    {"receive", "", "Connect to a sender, and receive a file."},
    {"pack", "", "Print the address of a port and a key."},
    {"unpack", "SOURCE", "Print the port and the key of an address."},
};

const Command* command_of(std::string_view name) {
  const auto found = std::ranges::find(all_commands, name, &Command::name);
  return found == std::end(all_commands) ? nullptr : found;
}

const Option* option_of(std::string_view command, std::string_view name) {
  const auto found = std::ranges::find_if(all_options, [&](const Option& option) {
    return option.name == name && option.commands.find(command[0]) != std::string_view::npos;
  });
  return found == std::end(all_options) ? nullptr : found;
}

bool is_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// A number of any length; nothing if it does not fit.
template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  if (text.starts_with('-') && std::ranges::all_of(text.substr(1), [](char c) { return c == '0'; })) return number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void check_integer(const Option& option, const std::string& value) {
  const std::string name{option.name};
  if (!is_integer(value)) throw UsageError{name + " takes an integer"};
  const auto fail = [&](const std::string& range) { throw UsageError{name + " takes an integer from " + range}; };
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  const std::optional<std::int64_t> number = number_of<std::int64_t>(value);
  if (option.kind == Kind::seconds && (!number || *number < -most - 1 || *number > most)) {
    fail("-2147483648 to 2147483647");
  }
  if (option.kind == Kind::wait && (!number || *number < 0 || *number > most)) fail("0 to 2147483647");
  if (option.kind == Kind::size && !number_of<std::uint64_t>(value)) fail("0 to 18446744073709551615");
}

/// The name of a wrong option, unless it may be a secret in the wrong place.
std::string shown(std::string_view name) {
  const bool has_form = name.starts_with("--") && name.size() >= 4 && name.size() <= 24 &&
                        std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
  const bool may_be_secret = std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'f') || c == '-'; });
  return has_form && !may_be_secret ? " " + std::string{name} : "";
}

/// Takes words off the front of the command line.
class Parser {
 public:
  Parser(Options& options, std::vector<std::string> words) : options_{options}, words_{std::move(words)} {}

  void parse() {
    const Command& command = *command_of(options_.command);
    std::vector<std::string> operands;
    while (at_ < words_.size()) {
      const std::string word = words_[at_++];
      if (word == "-h" || word == "--help") {
        options_.about = std::exchange(options_.command, "help");
        return;
      }
      if (word == "--") {
        operands.insert(operands.end(), words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
        break;
      }
      if (word.starts_with('-') && word != "-") {
        take_option(word);
      } else {
        operands.push_back(word);
      }
    }
    const std::size_t most = command.operand.empty() ? 0 : 1;
    if (operands.size() > most) {
      throw UsageError{"got " + std::to_string(operands.size()) + " operands, expected at most " +
                       std::to_string(most)};
    }
    if (operands.empty()) return;
    if (operands[0].empty()) throw UsageError{std::string{command.operand} + " is empty"};
    options_.operand = operands[0];
  }

 private:
  void take_option(const std::string& word) {
    const std::size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    bool is_joined = equals != std::string::npos;
    std::string value = is_joined ? word.substr(equals + 1) : "";
    if (word.starts_with("-o") && option_of(options_.command, "--output") != nullptr) {
      name = "--output";
      is_joined = word.size() > 2;
      value = word.substr(2);
      if (value.starts_with('=')) value.erase(0, 1);
    }
    const Option* const option = option_of(options_.command, name);
    if (option == nullptr) throw UsageError{"unknown option" + shown(name)};
    if (options_.has(name)) throw UsageError{name + " is given twice"};
    if (option->kind == Kind::flag) {
      if (is_joined) throw UsageError{name + " takes no value"};
    } else {
      if (!is_joined) value = next_value(name);
      if (value.empty() && option->kind != Kind::maybe_empty) {
        throw UsageError{name + " takes a value that is not empty"};
      }
      const bool is_text = option->kind == Kind::text || option->kind == Kind::maybe_empty;
      if (!is_text) check_integer(*option, value);
    }
    options_.values[name] = value;
  }

  std::string next_value(const std::string& name) {
    if (at_ == words_.size()) throw UsageError{name + " takes a value"};
    std::string value = words_[at_++];
    if (value.starts_with('-') && value != "-" && !is_integer(value)) {
      throw UsageError{name + " takes a value: one that begins with - is joined by ="};
    }
    return value;
  }

  Options& options_;
  std::vector<std::string> words_;
  std::size_t at_ = 0;
};

void check_exclusions(const Options& options) {
  static constexpr std::array<std::array<const char*, 2>, 5> pairs{{{"--unix", "--port"},
                                                                    {"--unix", "--ipv4"},
                                                                    {"--unix", "--address"},
                                                                    {"--address", "--port"},
                                                                    {"--message", "--message-file"}}};
  for (const auto& [one, other] : pairs) {
    if (options.has(one) && options.has(other)) {
      throw UsageError{std::string{one} + " and " + other + " exclude each other"};
    }
  }
  const std::string message = options.get("--message-file");
  if (options.command == "send") {
    const bool from_stdin[] = {options.operand == "-", options.get("--address") == "-", message == "-"};
    if (std::ranges::count(from_stdin, true) > 1) throw UsageError{"standard input can be read for one thing only"};
  } else if (options.command == "receive") {
    if (!message.empty() && is_same_file(options.output(), message)) {
      throw UsageError{"--output and --message-file are the same file"};
    }
    const bool has_file = options.output() != "-" || (!message.empty() && message != "-");
    if (options.has("--no-clobber") && !has_file) {
      throw UsageError{"--no-clobber needs --output or --message-file with a file"};
    }
  }
}

}  // namespace

std::string Options::get(const std::string& name, const std::string& otherwise) const {
  const auto found = values.find(name);
  return found == values.end() ? otherwise : found->second;
}

std::int64_t Options::number(const std::string& name, std::int64_t otherwise) const {
  return has(name) ? number_of<std::int64_t>(get(name)).value_or(otherwise) : otherwise;
}

std::uint64_t Options::size(const std::string& name, std::uint64_t otherwise) const {
  return has(name) ? number_of<std::uint64_t>(get(name)).value_or(otherwise) : otherwise;
}

std::optional<int> Options::port(int lowest) const {
  const std::optional<std::int64_t> port = number_of<std::int64_t>(get("--port", "13600"));
  if (!port || *port < lowest || *port > 65535) return std::nullopt;
  return static_cast<int>(*port);
}

bool Options::writes_to_stdout() const {
  const auto is_stdout = [](const std::string& name) { return name == "-" || standard_stream_of(name) == 1; };
  return command == "receive" && (is_stdout(output()) || is_stdout(get("--message-file")));
}

Options parse(std::vector<std::string> words) {
  Options options;
  const std::string first = words.empty() ? "" : words[0];
  if (first == "-h" || first == "--help") {
    options.command = "help";
    return options;
  }
  if (first == "--version") {
    options.command = "version";
    return options;
  }
  if (command_of(first) == nullptr) throw UsageError{"expected send, receive, pack or unpack"};
  options.command = first;
  words.erase(words.begin());
  Parser{options, std::move(words)}.parse();
  if (options.command != "help") check_exclusions(options);
  return options;
}

std::string help_of(const std::string& command) {
  const auto row = [](std::string left, std::size_t width, std::string_view right) {
    left.resize(std::max(left.size() + 1, width), ' ');
    return "  " + left + std::string{right} + "\n";
  };
  const Command* const chosen = command_of(command);
  std::string text = "usage: kcom5 ";
  if (chosen == nullptr) {
    text +=
        "COMMAND [OPTIONS]\n\nHand one message and one block of data to another process on this computer, once.\n\n";
    for (const Command& each : all_commands) text += row(std::string{each.name}, 10, each.text);
    text +=
        "\n" + row("--help", 10, "show this, or the options of a command") + row("--version", 10, "show the version");
    return text +
           "\nExit codes: 0 done, 2 wrong use, 3 the system or the time, 4 the other side, 128+n signal n,\n"
           "1 anything else.\n";
  }
  text += command + " [OPTIONS]";
  if (!chosen->operand.empty()) text += " [" + std::string{chosen->operand} + "]";
  text += "\n\n" + std::string{chosen->text} + "\n\n";
  if (command == "send") text += "FILE is what to send; `-`, the default, is standard input.\n\n";
  if (command == "unpack") text += "SOURCE is where the address is; the default is `-`.\n\n";
  for (const Option& option : all_options) {
    if (option.commands.find(command[0]) == std::string_view::npos) continue;
    std::string left = (option.name == "--output" ? "-o, " : "") + std::string{option.name};
    if (!option.value.empty()) left += " " + std::string{option.value};
    text += row(left, 23, option.help);
  }
  return text + row("-h, --help", 23, "show this") + "\nA SOURCE: " + std::string{source_help} + ".\n";
}

}  // namespace kcom5::cli
