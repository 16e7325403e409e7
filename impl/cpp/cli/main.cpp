// The program kcom5: send, receive, pack, unpack. `kcom5 --help` describes it.
//
// It adds to the library what a person at a shell needs: files and pipes, waiting for the other side, words. No secret
// is ever taken from the command line.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kcom5/kcom5.hpp"
#include "report.hpp"

namespace {

using kcom5::Failure;
using kcom5::cli::Exit;
using kcom5::cli::Progress;
using kcom5::cli::Report;
using kcom5::cli::with_commas;
using nlohmann::json;

// ---- signals: the first one cancels the running call, which cleans up; the second one kills.

std::atomic<int> caught_signal{0};
std::atomic<kcom5::Server*> running_server{nullptr};
std::atomic<kcom5::Client*> running_client{nullptr};

extern "C" void on_signal(int number) {
  caught_signal = number;
  if (kcom5::Server* const server = running_server) server->cancel();
  if (kcom5::Client* const client = running_client) client->cancel();
}

void catch_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // and no SA_RESTART: reads and writes come back
  for (const int number : {SIGINT, SIGTERM}) ::sigaction(number, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

/// Registers an end for the signal handler while it lives.
template <class End>
struct Running {
  std::atomic<End*>& slot;
  Running(std::atomic<End*>& where, End& end) : slot{where} { slot = &end; }
  ~Running() { slot = nullptr; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

// ---- options

struct Options {
  int port = kcom5::default_port;
  bool ipv4 = false;
  std::string socket;
  std::string address;
  int timeout = kcom5::default_close;
  std::string message;
  std::string message_file;
  std::string file = "-";
  std::string source = "-";
  int wait = 2;
  bool json = false;
};

[[noreturn]] void fail_with_errno(const std::string& name) {
  const std::error_code ec{errno, std::system_category()};
  throw Failure{ec, name + ": " + ec.message()};
}

std::string read_all(std::FILE* file, const std::string& name, std::uint64_t most) {
  std::string text;
  std::vector<char> block(std::size_t{64} << 10);
  while (text.size() < most) {
    const std::size_t count = std::fread(block.data(), 1, block.size(), file);
    text.append(block.data(), count);
    if (count == 0) break;
  }
  if (std::ferror(file) != 0) fail_with_errno(name);
  return text;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::string read_file(const std::string& path, std::uint64_t most) {
  const File file{std::fopen(path.c_str(), "rbe")};
  if (file == nullptr) fail_with_errno(path);
  return read_all(file.get(), path, most);
}

constexpr std::uint64_t max_secret_size = 4096;  // far more than an address or a key has

/// A file for the message: made before the exchange, so that a wrong path costs no data, and named when it is complete.
class MessageFile {
 public:
  explicit MessageFile(const std::string& path) : path_{path} {
    if (path.empty()) return;
    const auto type = std::filesystem::status(path).type();
    if (type != std::filesystem::file_type::not_found && type != std::filesystem::file_type::regular) {
      file_.reset(std::fopen(path.c_str(), "wbe"));
    } else {
      temporary_ = path + ".XXXXXX";
      const int descriptor = ::mkstemp(temporary_.data());
      if (descriptor < 0) temporary_.clear();
      if (descriptor >= 0) file_.reset(::fdopen(descriptor, "wb"));
    }
    if (file_ == nullptr) fail_with_errno(path);
  }
  ~MessageFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }
  MessageFile(const MessageFile&) = delete;
  MessageFile& operator=(const MessageFile&) = delete;

  void finish(const std::string& text) {
    if (path_.empty()) return;
    std::fwrite(text.data(), 1, text.size(), file_.get());
    if (std::fflush(file_.get()) != 0) fail_with_errno(path_);
    if (!temporary_.empty() && std::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with_errno(path_);
    temporary_.clear();
  }

 private:
  std::string path_;
  std::string temporary_;
  File file_;
};

/// A secret from where no other user can read it: "-", "env:NAME" or a file. One line end is taken off.
std::string read_secret(const std::string& source) {
  std::string text;
  if (source == "-") {
    text = read_all(stdin, "standard input", max_secret_size);
  } else if (source.starts_with("env:")) {
    const char* const value = std::getenv(source.substr(4).c_str());
    if (value == nullptr) {
      throw Failure{std::make_error_code(std::errc::invalid_argument), "no environment variable " + source.substr(4)};
    }
    text = value;
  } else {
    text = read_file(source, max_secret_size);
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

/// What both ends are told.
void configure(kcom5::Options& end, const Options& options) {
  end.ipv6 = !options.ipv4;
  end.port = options.address.empty() ? options.port : kcom5::unpack(read_secret(options.address)).port;
  end.close = options.timeout;
  end.path = options.socket;
}

// ---- commands

/// Returns how many octets were sent.
std::uint64_t send_once(kcom5::Server& server, const Options& options) {
  Progress progress;
  std::uint64_t sent = 0;
  server.progress = [&](std::uint64_t done, std::uint64_t total) {
    sent = total;
    progress.show(done, total);
  };
  if (options.file == "-") {
    server.send_descriptor(STDIN_FILENO);
  } else {
    server.send_file(options.file);
  }
  return sent;
}

void send(const Options& options, const Report& report) {
  kcom5::Server server;
  const Running<kcom5::Server> running{running_server, server};
  configure(server, options);
  server.msg =
      options.message_file.empty() ? options.message : read_file(options.message_file, kcom5::max_message_size + 1);
  server.listening = [&](int port) {
    if (!options.socket.empty()) {
      report.result({{"listening", options.socket}}, "listening on " + options.socket);
    } else {
      report.result({{"listening", port}},
                    "listening on " + std::string{options.ipv4 ? "127.0.0.1:" : "[::1]:"} + std::to_string(port));
    }
  };
  const std::uint64_t sent = send_once(server, options);
  report.result({{"ok", true}, {"sent", sent}}, "sent " + with_commas(sent) + " octets");
}

std::uint64_t receive_once(kcom5::Client& client, const Options& options) {
  Progress progress;
  client.progress = [&](std::uint64_t done, std::uint64_t total) { progress.show(done, total); };
  return options.file == "-" ? client.receive_descriptor(STDOUT_FILENO) : client.receive_file(options.file);
}

/// The two programs of a pair are often started at the same time: for a while, nobody listening is no failure.
std::uint64_t receive_when_ready(kcom5::Client& client, const Options& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point until = Clock::now() + std::chrono::seconds{options.wait};
  for (;;) {
    try {
      return receive_once(client, options);
    } catch (const Failure& failure) {
      if (failure.error() != kcom5::Error::refused || Clock::now() >= until || caught_signal != 0) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

void receive(const Options& options, const Report& report) {
  kcom5::Client client;
  const Running<kcom5::Client> running{running_client, client};
  configure(client, options);
  MessageFile message{options.message_file};
  const std::uint64_t received = receive_when_ready(client, options);
  message.finish(client.msg);
  const std::string words = "received " + with_commas(received) + " octets";
  report.result({{"ok", true}, {"received", received}, {"message", client.msg}},
                client.msg.empty() ? words : words + ", message " + kcom5::cli::quoted(client.msg));
}

void pack(const Options& options, const Report&) {
  std::string digits = read_secret(options.source);
  std::erase_if(digits, [](unsigned char c) { return std::isspace(c) != 0; });
  std::vector<std::uint8_t> key;
  const bool is_hex = std::ranges::all_of(digits, [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (!is_hex || digits.size() % 2 != 0) {
    throw Failure{kcom5::Error::invalid_key, "got " + std::to_string(digits.size()) +
                                                 " characters, expected hexadecimal digits, two for each octet"};
  }
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    key.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  const std::string address = kcom5::pack(options.port, key);
  std::puts(options.json ? json{{"address", address}}.dump().c_str() : address.c_str());
}

void unpack(const Options& options, const Report&) {
  const kcom5::Address address = kcom5::unpack(read_secret(options.source));
  std::string key;
  for (const std::uint8_t octet : address.key) {
    key += "0123456789abcdef"[octet >> 4];
    key += "0123456789abcdef"[octet & 15];
  }
  if (options.json) {
    std::puts(json{{"port", address.port}, {"key", key}}.dump().c_str());
  } else {
    std::printf("port %d\nkey %s\n", address.port, key.c_str());
  }
}

// ---- the command line

constexpr const char* secret_help = "`-` for standard input, `env:NAME` for an environment variable, or a file";

/// Decimal digits and nothing else: the library's own reading takes 0x10 and an empty word too.
const CLI::Validator is_number{
    [](const std::string& text) {
      const std::string digits = text.substr(text.starts_with('-') ? 1 : 0);
      const bool right = !digits.empty() && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
      return right ? "" : "got '" + text + "', expected a whole number";
    },
    ""};

void add_options_of_both(CLI::App& command, Options& options) {
  CLI::Option* const port =
      command.add_option("--port", options.port, "The port")->check(is_number)->capture_default_str();
  CLI::Option* const ipv4 = command.add_flag("--ipv4", options.ipv4, "127.0.0.1 instead of [::1]");
  CLI::Option* const socket = command.add_option("--unix", options.socket, "The path of a Unix-domain socket instead");
  command.add_option("--address", options.address, std::string{"The port from an address: "} + secret_help)
      ->excludes(port)
      ->excludes(socket);
  socket->excludes(port)->excludes(ipv4);
  command.add_option("--timeout", options.timeout, "Seconds of silence to bear; 0 or negative: for ever")
      ->check(is_number)
      ->capture_default_str();
  command.add_flag(
      "--json", options.json,
      "One JSON object a line: on standard output, or on standard error if the data goes to standard output");
}

struct Command {
  CLI::App* app;
  std::function<void(const Options&, const Report&)> run;
};

std::vector<Command> add_commands(CLI::App& app, Options& options) {
  CLI::App* const send_app =
      app.add_subcommand("send", "Listen, and hand a file or standard input to the one client that comes");
  send_app->add_option("FILE", options.file, "What to send; `-`: standard input, read to its end first")
      ->capture_default_str();
  add_options_of_both(*send_app, options);
  CLI::Option* const message = send_app->add_option("--message", options.message, "The message, UTF-8");
  send_app->add_option("--message-file", options.message_file, "A file with the message")->excludes(message);
  send_app->footer("--port 0 lets the system choose a port, which is shown.\n\n  tar c . | kcom5 send -");

  CLI::App* const receive_app = app.add_subcommand("receive", "Connect, and take what the server sends");
  receive_app->add_option("-o,--output", options.file, "Where to put the data; `-`: standard output")
      ->capture_default_str();
  add_options_of_both(*receive_app, options);
  receive_app->add_option("--message-file", options.message_file, "Where to put the message");
  receive_app->add_option("--wait", options.wait, "Seconds to keep trying while nobody listens")
      ->check(is_number)
      ->capture_default_str();
  receive_app->footer(
      "A file gets its name when it is complete; it is readable by its owner only.\n"
      "What went to standard output before a failure is not the whole: look at the exit code.\n\n"
      "  kcom5 receive -o - | tar x");

  CLI::App* const pack_app = app.add_subcommand("pack", "Make an address of a port and a key");
  pack_app->add_option("--port", options.port, "The port")->check(is_number)->capture_default_str();
  pack_app->add_option("--key", options.source, std::string{"The key in hexadecimal: "} + secret_help)
      ->capture_default_str();
  pack_app->add_flag("--json", options.json, "As a JSON object");

  CLI::App* const unpack_app = app.add_subcommand("unpack", "Show the port and the key of an address");
  unpack_app->add_option("SOURCE", options.source, std::string{"The address: "} + secret_help)->capture_default_str();
  unpack_app->add_flag("--json", options.json, "As a JSON object");

  return {{send_app, send}, {receive_app, receive}, {pack_app, pack}, {unpack_app, unpack}};
}

int run(const Command& command, const Options& options) {
  const bool data_on_stdout = command.app->get_name() == "receive" && options.file == "-";
  const Report report{options.json, data_on_stdout};
  if (command.app->get_name() == "send" && options.file == "-" && options.address == "-") {
    report.error("usage", "both the data and the address from standard input", "give one of them as a file");
    return static_cast<int>(Exit::usage);
  }
  try {
    command.run(options, report);
    return static_cast<int>(Exit::ok);
  } catch (const Failure& failure) {
    if (const int number = caught_signal) {
      report.error("interrupted", "nothing was delivered", "");
      return 128 + number;
    }
    return static_cast<int>(report.failure(failure));
  } catch (const std::exception& error) {
    report.error("internal", error.what(), "");
    return static_cast<int>(Exit::other);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Hand one message and one block of octets from one process to another on this computer.", "kcom5"};
  app.set_version_flag("--version", std::string{"kcom5 "} + KCOM5_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 2 wrong use, 3 the system or the other side was not there, 4 the other side broke the "
      "protocol,\n"
      "1 anything else, 130 and 143 interrupted. Keys and addresses are never taken from the command line.");
  Options options;
  const std::vector<Command> commands = add_commands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::string command = "kcom5";
    for (const CLI::App* const sub : app.get_subcommands()) command += " " + sub->get_name();
    Report{false, false}.error("usage", error.what(), "`" + command + " --help` shows the options");
    return static_cast<int>(Exit::usage);
  }
  catch_signals();
  const auto chosen = std::ranges::find_if(commands, [](const Command& command) { return command.app->parsed(); });
  return run(*chosen, options);
}
