// The program kcom5: send, receive, pack, unpack. `kcom5 --help` describes it.
//
// It adds messages, safe handling of secrets, and signals to the library. No secret is ever taken from the command
// line.
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kcom5/kcom5.hpp"
#include "options.hpp"
#include "secrets.hpp"
#include "signals.hpp"
#include "source.hpp"
#include "words.hpp"

namespace {

using kcom5::Failure;
using namespace kcom5::cli;

enum Exit { exit_ok = 0, exit_internal = 1, exit_usage = 2, exit_transport = 3, exit_protocol = 4 };

[[noreturn]] void fail_closed(const char* stream) {
  throw Failure{std::make_error_code(std::errc::bad_file_descriptor), std::string{stream} + " is closed"};
}

int port_of(const Options& options, int lowest) {
  const std::optional<int> port = options.port(lowest);
  if (!port) {
    throw Failure{kcom5::Error::invalid_port,
                  "got port " + options.get("--port") + ", expected " + std::to_string(lowest) + " to 65535"};
  }
  return *port;
}

/// One run of a command.
class Program {
 public:
  Program(const Options& options, Words& words) : options_{options}, words_{words} {}

  void run() {
    if (options_.command == "help") {
      words_.result(help_of(options_.about), {});
    } else if (options_.command == "version") {
      words_.result(std::string{"kcom5 "} + KCOM5_VERSION + "\n", {});
    } else if (options_.command == "send") {
      send();
    } else if (options_.command == "receive") {
      receive();
    } else if (options_.command == "pack") {
      pack();
    } else {
      unpack();
    }
  }

  /// The text of what an interrupted command has done.
  [[nodiscard]] const std::string& done() const noexcept { return done_; }
  /// Whether a part of the data may be somewhere after a failure.
  [[nodiscard]] bool is_in_place() const noexcept { return is_in_place_; }

 private:
  /// Sets the options of both ends.
  void configure(kcom5::Options& end, int lowest_port) {
    end.ipv6 = !options_.has("--ipv4");
    end.port = port_of(options_, lowest_port);
    if (options_.has("--timeout")) end.timeout = kcom5::timeout_of(static_cast<int>(options_.number("--timeout", 0)));
    end.path = options_.get("--unix");
    end.progress = [this](std::uint64_t done, std::uint64_t total) { words_.progress(done, total); };
    if (options_.has("--address")) {
      const Secret text = read_secret(words_, options_.get("--address"));
      kcom5::Address address = kcom5::unpack(text.text);
      end.port = address.port;
      wipe(address.key.data(), address.key.size());
    }
  }

  [[nodiscard]] bool is_stdin(const std::string& name) const { return name == "-" || standard_stream_of(name) == 0; }

  /// The message to send, from the command line or a file.
  std::string message(const kcom5::Server& server) {
    if (!options_.has("--message-file")) return options_.get("--message");
    const std::string name = options_.get("--message-file");
    check_file(name);
    if (is_stdin(name) && words_.is_closed(0)) fail_closed("standard input");
    const kcom5::Waits waits{server.timeout, is_interrupted()};
    kcom5::FileSource source = name == "-" ? kcom5::FileSource{0, "standard input", server.spool_dir, waits}
                                           : kcom5::FileSource{name, server.spool_dir, waits};
    std::string text;
    if (source.size() > kcom5::max_message_size) {
      throw Failure{kcom5::Error::message_too_long,
                    "got a message of " + std::to_string(source.size()) + " bytes, expected at most 4294967295"};
    }
    for (kcom5::ByteView bytes = source.next(); !bytes.empty(); bytes = source.next()) {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return text;
  }

  void send() {
    kcom5::Server server;
    done_ = "no client had connected";
    configure(server, 0);
    server.spool_dir = options_.get("--spool-dir");
    server.message = message(server);
    server.listening = [&](int port) {
      const std::string place = (server.ipv6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port);
      words_.say("listening on " + (server.path.empty() ? place : escaped(server.path.native())));
      words_.tell({{"listening", server.path.empty() ? std::to_string(port) : json_string(server.path.native())}});
    };
    if (is_stdin(options_.operand) && words_.is_closed(0)) fail_closed("standard input");
    if (options_.operand != "-") check_file(options_.operand);
    kcom5::Sent sent;
    try {
      const Running running{server};
      sent = options_.operand == "-" ? server.send_descriptor(0) : server.send_file(options_.operand);
    } catch (...) {
      if (server.stage() == kcom5::Server::Stage::sending) done_ = "the transfer was not complete";
      if (server.stage() == kcom5::Server::Stage::sent) {
        done_ = "everything was sent, but the client did not confirm it";
      }
      throw;
    }
    words_.say("sent " + with_commas(sent.size) + " bytes, " +
               (sent.confirmed ? "confirmed" : "not confirmed: the client had ended its sending side early"));
    words_.tell(
        {{"ok", "true"}, {"sent", std::to_string(sent.size)}, {"confirmed", sent.confirmed ? "true" : "false"}});
  }

  void receive() {
    kcom5::Client client;
    done_ = "nothing was delivered";
    configure(client, 1);
    client.limits.message = options_.size("--max-message", client.limits.message);
    client.limits.data = options_.size("--max-data", client.limits.data);
    client.wait = std::chrono::seconds{options_.number("--wait", 2)};
    client.no_clobber = options_.has("--no-clobber");
    const std::string output = options_.output();
    const std::string message = options_.get("--message-file");
    for (const std::string& name : {output, message}) {
      const int stream = name == "-" ? 1 : standard_stream_of(name);
      if (stream == 1 && words_.is_closed(1)) fail_closed("standard output");
      if (stream == 2 && words_.is_closed(2)) fail_closed("standard error");
    }
    client.message_file = message == "-" ? "/dev/stdout" : message;
    std::uint64_t received = 0;
    try {
      const Running running{client};
      received = output == "-" ? client.receive_descriptor(1) : client.receive_file(output);
    } catch (...) {
      const std::uint64_t written = client.written_in_place();
      is_in_place_ = written > 0;
      if (written > 0) {
        done_ = std::to_string(written) + " bytes were written to " + (output == "-" ? "standard output" : output) +
                ", which is not the whole";
      }
      throw;
    }
    words_.say("received " + with_commas(received) + " bytes" +
               (client.message.empty() ? "" : ", message " + in_quotes(client.message)));
    words_.tell({{"ok", "true"}, {"received", std::to_string(received)}, {"message", json_string(client.message)}});
  }

  void pack() {
    const int port = port_of(options_, 1);
    std::vector<std::uint8_t> key = read_key(words_, options_.get("--key", "-"));
    const Secret address{kcom5::pack(port, key)};
    wipe(key.data(), key.size());
    words_.result(address.text + "\n", {{"address", json_string(address.text)}});
  }

  void unpack() {
    const Secret text = read_secret(words_, options_.operand);
    kcom5::Address address = kcom5::unpack(text.text);
    Secret key{""};
    for (const std::uint8_t byte : address.key) {
      key.text += "0123456789abcdef"[byte >> 4];
      key.text += "0123456789abcdef"[byte & 15];
    }
    wipe(address.key.data(), address.key.size());
    words_.result("port " + std::to_string(address.port) + "\nkey " + key.text + "\n",
                  {{"port", std::to_string(address.port)}, {"key", json_string(key.text)}});
  }

  const Options& options_;
  Words& words_;
  std::string done_;
  bool is_in_place_ = false;
};

/// The hint for this failure.
std::string_view hint_of(const Failure& failure, const Options& options, bool is_in_place) {
  const std::string& detail = failure.detail();
  if (failure.error() == kcom5::Error::truncated && is_in_place) {
    return advice_on("truncated-in-place");
  }
  if (failure.error() != kcom5::Error::io) return hint_for(failure.error());
  const bool has_no_address =
      failure.code() == std::errc::address_not_available || failure.code() == std::errc::address_family_not_supported;
  if (has_no_address && detail.starts_with("[::1]")) {
    return advice_on("no-ipv6");
  }
  const std::string spool = kcom5::folder_of_spool(options.get("--spool-dir")).string();
  if (options.command == "send" && detail.starts_with(spool + ": ")) {
    return advice_on("spool");
  }
  if (detail.ends_with(": exists already")) return advice_on("exists");
  return hint_for(failure.error());
}

int code_of(kcom5::Family family) {
  switch (family) {
    case kcom5::Family::usage:
      return exit_usage;
    case kcom5::Family::transport:
      return exit_transport;
    case kcom5::Family::protocol:
      return exit_protocol;
  }
  return exit_internal;
}

int run(const Options& options, Words& words) {
  Program program{options, words};
  const auto fail_interrupted = [&] {
    words.fail("interrupted", program.done(), "");
    return 128 + caught_signal();
  };
  try {
    program.run();
    return words.has_lost() ? exit_transport : exit_ok;
  } catch (const Interrupted&) {
    return fail_interrupted();
  } catch (const Failure& failure) {
    if (caught_signal() != 0) return fail_interrupted();
    words.fail(name(failure.error()), failure.detail(), hint_of(failure, options, program.is_in_place()));
    return code_of(family(failure.error()));
  } catch (const std::bad_alloc&) {
    words.fail("io", "the memory does not suffice", hint_for(kcom5::Error::io));
    return exit_transport;
  } catch (const std::exception& error) {
    words.fail("internal", error.what(), "");
    return exit_internal;
  }
}

}  // namespace

int main(int count, char** arguments) {
  Words words{open_closed_streams()};
  start_signals();
  Options options;
  try {
    options = parse({arguments + (count > 0 ? 1 : 0), arguments + count});
  } catch (const UsageError& error) {
    words.fail("usage", error.what(), advice_on("usage"));
    return exit_usage;
  }
  words.is_quiet = options.has("--quiet");
  if (options.has("--json")) words.json_to = options.writes_to_stdout() ? 2 : 1;
  return run(options, words);
}
