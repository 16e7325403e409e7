// Connects, receives, stores, and closes. Spec: "Listening and connecting", "States", "Closing".
#include "kcom5/client.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "kcom5/address.hpp"
#include "output.hpp"
#include "sink.hpp"
#include "stream.hpp"
#include "system.hpp"
#include "unix_path.hpp"
#include "waits.hpp"
#include "words.hpp"

namespace kcom5 {
namespace {

Nonce random_nonce() {
  Nonce nonce;
  std::error_code ec;
  system::random(nonce, ec);
  if (ec) throw failure_of(ec, "the system's random source");
  return nonce;
}

/// Rejects a wrong call before a file or a socket is opened.
void check_client(const Options& options) {
  if (!options.path.empty()) {
    check_unix_path(options.path);
  } else if (options.port < 1 || options.port > max_port) {
    throw Failure{Error::invalid_port, "got port " + std::to_string(options.port) + ", expected 1 to 65535"};
  }
}

system::Endpoint endpoint_of(const Options& options) {
  return options.path.empty() ? system::loopback(options.ipv6, options.port)
                              : system::endpoint_of_path(options.path.native());
}

/// One exchange with a server.
class ClientConversation {
 public:
  /// `message` is the output for the message, or null.
  ClientConversation(const Client& client, const std::atomic<bool>& cancelled, Sink& sink, Output* message)
      : client_{client},
        sink_{sink},
        message_{message},
        exchange_{random_nonce(), client.limits},
        stream_{client, cancelled} {}

  /// Returns with everything stored and the connection closed in order. Throws Failure.
  void run() {
    connect();
    while (exchange_.state() < ClientState::data) receive_head();
    if (exchange_.state() == ClientState::data && exchange_.data_length() > much && sink_.pipe(exchange_.needed()) < 0)
      stream_.receive_much();
    while (exchange_.state() == ClientState::data && exchange_.needed() > 0) receive_data();
    if (exchange_.error()) fail();
    tell_progress();
    deliver();  // an exception resets the connection, so that the server sees no success
    exchange_.delivered();
    if (exchange_.state() != ClientState::done) fail();
    if (is_held_back_) (void)take_held_back();  // everything is stored: if it fails, that stays a success
    stream_.close();
  }

  [[nodiscard]] const std::string& message() const noexcept { return exchange_.message(); }
  [[nodiscard]] std::uint64_t data_length() const noexcept { return exchange_.data_length(); }

 private:
  [[nodiscard]] bool is_unix() const noexcept { return !client_.path.empty(); }

  Action on(Event event) {
    if (exchange_.state() < ClientState::failed) {
      last_state_ = exchange_.state();
      last_needed_ = exchange_.needed();
    }
    event_ = event;
    return exchange_.on(event);
  }

  std::size_t feed(ByteView octets) {
    last_state_ = exchange_.state();
    event_ = Event::nothing;
    return exchange_.feed(octets);
  }

  void connect() {
    const Event event = stream_.connect(endpoint_of(client_));
    if (event == Event::connected && stream_.is_other_user()) {
      exchange_.refuse_peer();
      throw Failure{Error::invalid_connection, "the server runs as another user"};
    }
    if (on(event) != Action::send_hello) return;
    stream_.restart();
    std::array<ByteView, 1> hello{exchange_.hello()};
    Event sent = Event::nothing;
    while (sent == Event::nothing) sent = stream_.send(hello);
    // If the server has closed already, the first read reports it, after the bytes that it sent before.
    if (sent == Event::timeout || sent == Event::failure || sent == Event::cancel) on(sent);
  }

  /// Reads up to the data; the last read may bring some of it.
  void receive_head() {
    std::array<std::uint8_t, 4096> octets;
    std::size_t count = 0;
    const Event event = receive(octets, count);
    if (event != Event::nothing) {
      on(event);
      return;
    }
    ByteView data = ByteView{octets}.first(count);
    data = data.subspan(feed(data));
    if (exchange_.state() > ClientState::echo) stream_.restart();
    // The held-back byte ended the data's length but not the frame.
    if (is_held_back_ && exchange_.needed() > 0) {
      const Event taken = take_held_back();
      if (taken != Event::nothing) {
        on(taken);
        return;
      }
    }
    // Bytes past the declared length are ignored: `data.end`.
    data = data.first(std::min<std::uint64_t>(data.size(), exchange_.needed()));
    if (exchange_.state() == ClientState::data) store(data);
  }

  /// On TCP, reads what is there. On a Unix-domain socket, reads no more than the field needs, and leaves the last byte
  /// of the frame unread until everything is stored. Only a close with a byte unread resets such a socket.
  Event receive(std::span<std::uint8_t> room, std::size_t& count) {
    if (!is_unix()) return stream_.receive(room, count);
    const std::uint64_t needed = exchange_.needed();
    const bool may_be_last = exchange_.state() >= ClientState::data_length;
    if (may_be_last && needed == 1) {
      const Event event = stream_.peek(room.first(1), count);
      is_held_back_ = event == Event::nothing;
      return event;
    }
    return stream_.receive(room.first(std::min<std::uint64_t>(room.size(), needed - (may_be_last ? 1 : 0))), count);
  }

  /// Stores everything that the caller asked for: `close.last`. The data gets its name last.
  void deliver() {
    Output* const data = sink_.output();
    if (data != nullptr) data->complete();
    if (message_ != nullptr) {
      message_->write(bytes_of(exchange_.message()));
      message_->complete();
      message_->publish();
    }
    if (data == nullptr) return;
    try {
      data->publish();
    } catch (...) {
      if (message_ != nullptr) message_->withdraw();
      throw;
    }
  }

  /// Reads the held-back byte, which the next read would otherwise return again.
  Event take_held_back() {
    std::array<std::uint8_t, 1> octet;
    std::size_t count = 0;
    is_held_back_ = false;
    return stream_.receive(octet, count);
  }

  void receive_data() {
    tell_progress();
    const std::uint64_t left = exchange_.needed();
    const std::uint64_t most = is_unix() ? left - 1 : left;
    const int pipe = most > 0 ? sink_.pipe(left) : system::none;
    std::size_t count = 0;
    const Event event = pipe >= 0 ? stream_.splice(pipe, most, count) : receive(sink_.room(left), count);
    if (event != Event::nothing) {
      on(event);
      return;
    }
    if (pipe >= 0) {
      sink_.piped(count);
    } else {
      sink_.filled(count);
    }
    exchange_.arrived(count);
    stream_.restart();
  }

  void store(ByteView data) {
    while (!data.empty()) {
      const std::span<std::uint8_t> room = sink_.room(exchange_.needed());
      const std::size_t count = std::min(room.size(), data.size());
      std::ranges::copy(data.first(count), room.begin());
      sink_.filled(count);
      exchange_.arrived(count);
      data = data.subspan(count);
    }
  }

  void tell_progress() const {
    if (client_.progress) client_.progress(exchange_.data_length() - exchange_.needed(), exchange_.data_length());
  }

  /// How much of the failed field arrived: "N of M bytes of the FIELD".
  [[nodiscard]] std::string how_far() const {
    const auto say = [&](std::uint64_t size, const char* field) {
      return std::to_string(size - last_needed_) + " of " + std::to_string(size) + " bytes of the " + field;
    };
    switch (last_state_) {
      case ClientState::message_length:
        return say(message_length_size, "message length");
      case ClientState::message:
        return say(exchange_.message_length(), "message");
      case ClientState::data_length:
        return say(data_length_size, "data length");
      case ClientState::data:
        return say(exchange_.data_length(), "data");
      default:
        return say(hello_size, "echo");
    }
  }

  [[noreturn]] void fail() const {
    const Error error = exchange_.error().value_or(Error::io);
    const std::string place = place_of(client_);
    const std::string period = in_seconds(client_.timeout);
    switch (error) {
      case Error::refused:
        throw Failure{error, "nobody listens on " + place};
      case Error::timeout:
        if (last_state_ == ClientState::connecting) {
          throw Failure{error, "not connected to " + place + " within " + period};
        }
        if (last_state_ == ClientState::echo) throw Failure{error, "got " + how_far() + " within " + period};
        throw Failure{error, "got nothing for " + period + ", after " + how_far()};
      case Error::invalid_connection:
        if (event_ == Event::nothing) {
          throw Failure{error, "byte " + std::to_string(exchange_.consumed()) + " of the echo differs from the hello"};
        }
        throw Failure{error,
                      "the server left after " + std::to_string(exchange_.consumed()) + " of 8 bytes of the echo"};
      case Error::truncated:
        throw Failure{error, "the server left after " + how_far()};
      case Error::malformed_message:
        throw Failure{error, "the message received is not valid UTF-8"};
      case Error::over_limit:
        throw over_limit();
      default:
        if (event_ == Event::cancel) throw cancelled_failure();
        throw failure_of(stream_.failure() ? stream_.failure() : std::make_error_code(std::errc::io_error), place);
    }
  }

  [[nodiscard]] Failure over_limit() const {
    const bool is_message = exchange_.message_length() > client_.limits.message;
    const std::uint64_t got = is_message ? exchange_.message_length() : exchange_.data_length();
    const std::uint64_t most = is_message ? client_.limits.message : client_.limits.data;
    return Failure{Error::over_limit, std::string{"got a "} + (is_message ? "message" : "data") + " length of " +
                                          std::to_string(got) + ", expected at most " + std::to_string(most)};
  }

  const Client& client_;
  Sink& sink_;
  Output* message_;
  ClientExchange exchange_;
  Stream stream_;
  bool is_held_back_ = false;                         // the byte that was given to the exchange last is still unread
  ClientState last_state_ = ClientState::connecting;  // before the last event
  std::uint64_t last_needed_ = 0;
  Event event_ = Event::nothing;  // the last one; `nothing` if it was bytes
};

}  // namespace

class Client::Impl {
 public:
  /// Leaves the data with `sink` and the message with `client`; returns the data's size.
  std::uint64_t receive(Client& client, Sink& sink) {
    const Waits waits = waits_of(client);
    std::optional<Output> message;
    if (!client.message_file.empty()) message.emplace(client.message_file, client.no_clobber, waits);
    const Deadline until{client.wait};
    for (;;) {
      ClientConversation conversation{client, cancelled_, sink, message ? &*message : nullptr};
      try {
        conversation.run();
      } catch (const Failure& failure) {
        if (failure.error() != Error::refused || client.wait.count() <= 0 || until.passed()) throw;
        system::wait(system::none, {}, until.left(refused_delay));
        continue;
      }
      client.message = conversation.message();
      return conversation.data_length();
    }
  }

  /// The same, with the data stored in an output that `open` returns.
  template <class Open>
  std::uint64_t receive_to(Client& client, Open open) {
    in_place_ = 0;
    check_client(client);
    const Waits waits = waits_of(client);
    Output output = open(waits);
    const Counted counted{in_place_, output};
    FileSink sink{output};
    return receive(client, sink);
  }

  void cancel() noexcept { cancelled_ = true; }
  [[nodiscard]] std::uint64_t in_place() const noexcept { return in_place_; }

 private:
  static constexpr std::chrono::milliseconds refused_delay{20};

  [[nodiscard]] Waits waits_of(const Options& options) const noexcept { return {options.timeout, cancelled_}; }

  /// Keeps the count after a success and after a failure.
  struct Counted {
    std::uint64_t& in_place;
    const Output& output;
    ~Counted() { in_place = output.in_place(); }
  };

  std::atomic<bool> cancelled_{false};
  std::uint64_t in_place_ = 0;
};

Client::Client() : impl_{std::make_unique<Impl>()} {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Buffer Client::receive() {
  check_client(*this);
  MemorySink sink;
  impl_->receive(*this, sink);
  return sink.take();
}

Buffer Client::receive(std::error_code& ec) {
  return without_exception(ec, [&] { return receive(); });
}

std::uint64_t Client::receive_file(const std::filesystem::path& file) {
  return impl_->receive_to(*this, [&](const Waits& waits) { return Output{file, no_clobber, waits}; });
}

std::uint64_t Client::receive_file(const std::filesystem::path& file, std::error_code& ec) {
  return without_exception(ec, [&] { return receive_file(file); });
}

std::uint64_t Client::receive_descriptor(int descriptor) {
  return impl_->receive_to(
      *this, [&](const Waits& waits) { return Output{descriptor, name_of_descriptor(descriptor), waits}; });
}

std::uint64_t Client::receive_descriptor(int descriptor, std::error_code& ec) {
  return without_exception(ec, [&] { return receive_descriptor(descriptor); });
}

std::uint64_t Client::written_in_place() const noexcept { return impl_->in_place(); }

void Client::cancel() noexcept { impl_->cancel(); }

}  // namespace kcom5
