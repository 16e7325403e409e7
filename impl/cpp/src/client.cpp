// Connects, receives, stores, and closes. Spec: "Listening and connecting", "States", "Closing".
#include "kcom5/client.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <utility>

#include "body.hpp"
#include "kcom5/address.hpp"
#include "stream.hpp"
#include "system.hpp"

namespace kcom5 {
namespace {

std::string seconds(const Options& options) { return std::to_string(options.close) + " s"; }

Nonce random_nonce() {
  Nonce nonce;
  std::error_code ec;
  system::random(nonce, ec);
  if (ec) throw Failure{ec, "the system's random source: " + ec.message()};
  return nonce;
}

}  // namespace

class Client::Impl {
 public:
  /// Leaves the data with `sink` and the message with `client`; returns the data's size.
  std::uint64_t receive(Client& client, Sink& sink) {
    if (client.path.empty() && (client.port < 1 || client.port > max_port)) {
      throw Failure{Error::invalid_port, "got port " + std::to_string(client.port) + ", expected 1 to 65535"};
    }
    const Endpoint endpoint = endpoint_of(client);
    ClientExchange exchange{random_nonce(), client.limits};
    std::error_code ec;
    Stream stream{system::open_socket(endpoint, ec), client, cancelled_};
    if (ec) throw Failure{ec, name_of(client) + ": " + ec.message()};

    Event event = connect(exchange, stream, endpoint);
    if (exchange.state() < ClientState::data) event = receive_head(client, exchange, stream, sink);
    if (exchange.data_size() > much && sink.pipe(exchange.data_left()) < 0) stream.receive_much();
    while (exchange.state() == ClientState::data) {
      if (client.progress) client.progress(exchange.data_size() - exchange.data_left(), exchange.data_size());
      std::size_t count = 0;
      const std::uint64_t left = exchange.data_left();
      const int pipe = sink.pipe(left);
      event = pipe >= 0 ? stream.splice(pipe, left, count) : stream.receive(sink.room(left), count);
      if (event == Event::more) {
        sink.filled(count);
        exchange.arrived(count);
        stream.restart();
      } else {
        exchange.on(event);
      }
    }
    if (exchange.error()) fail(client, exchange, stream, event);
    sink.finish();
    stream.close();
    if (client.progress) client.progress(exchange.data_size(), exchange.data_size());
    client.msg = exchange.message();
    return exchange.data_size();
  }

  void cancel() noexcept { cancelled_ = true; }
  [[nodiscard]] const std::atomic<bool>& cancelled() const noexcept { return cancelled_; }

 private:
  static Event connect(ClientExchange& exchange, Stream& stream, const Endpoint& endpoint) {
    Event event = stream.connect(endpoint);
    if (event == Event::connected && stream.is_other_user()) {
      exchange.on(Event::wrong);
      throw Failure{*exchange.error(), "the server belongs to another user"};
    }
    if (exchange.on(event) != Action::send_hello) return event;
    stream.restart();
    std::array<Octets, 1> hello{exchange.hello()};
    do {
      event = stream.send(hello);
    } while (event == Event::more);
    // A server that has closed already is seen by the first read, with what it sent before.
    if (event == Event::timeout || event == Event::failure) exchange.on(event);
    return event;
  }

  /// Up to the data, of which some may come with it.
  static Event receive_head(const Client& client, ClientExchange& exchange, Stream& stream, Sink& sink) {
    std::array<std::uint8_t, 4096> octets;
    Event event = Event::more;
    while (exchange.state() < ClientState::data) {
      std::size_t count = 0;
      // A Unix-domain socket is reset by a close with unread octets, and by nothing else.
      const std::uint64_t most = client.path.empty() ? octets.size() : exchange.needed();
      event = stream.receive(std::span{octets}.first(std::min<std::uint64_t>(octets.size(), most)), count);
      if (event != Event::more) {
        exchange.on(event);
        continue;
      }
      Octets data = Octets{octets}.first(count);
      data = data.subspan(exchange.feed(data));
      if (exchange.state() > ClientState::echo) stream.restart();
      // Anything past the declared octets is nobody's: `data.end`.
      data = data.first(std::min<std::uint64_t>(data.size(), exchange.data_left()));
      if (exchange.state() != ClientState::data || data.empty()) continue;
      store(exchange, sink, data);
    }
    return event;
  }

  static void store(ClientExchange& exchange, Sink& sink, Octets data) {
    while (!data.empty()) {
      const std::span<std::uint8_t> room = sink.room(exchange.data_left());
      const std::size_t count = std::min(room.size(), data.size());
      std::ranges::copy(data.first(count), room.begin());
      sink.filled(count);
      exchange.arrived(count);
      data = data.subspan(count);
    }
  }

  [[noreturn]] static void fail(const Client& client, const ClientExchange& exchange, const Stream& stream,
                                Event event) {
    const Error error = *exchange.error();
    const std::uint64_t offset = exchange.offset();
    const std::string got = std::to_string(offset);
    switch (error) {
      case Error::refused:
        throw Failure{error, "nobody listens on " + name_of(client)};
      case Error::timeout:
        if (offset >= hello_size) throw Failure{error, "no octet for " + seconds(client) + ", after " + got};
        throw Failure{error, "no connection and echo within " + seconds(client) + ", got " + got + " of 8 octets"};
      case Error::invalid_connection:
        if (event != Event::more) throw Failure{error, "the server left after " + got + " of 8 octets of the echo"};
        throw Failure{error, "octet " + got + " of the echo is not that of the hello"};
      case Error::truncated:
        if (exchange.data_size() == 0)
          throw Failure{error, "the server left after " + got + " octets, before the data"};
        throw Failure{error, "the server left after " + std::to_string(exchange.data_size() - exchange.data_left()) +
                                 " of " + std::to_string(exchange.data_size()) + " octets of the data"};
      case Error::malformed_message:
        throw Failure{error, "the message of " + std::to_string(exchange.message_size()) + " octets is not UTF-8"};
      case Error::over_limit:
        if (exchange.message_size() > client.limits.message) {
          throw Failure{error, "a message of " + std::to_string(exchange.message_size()) +
                                   " octets was declared, the limit is " + std::to_string(client.limits.message)};
        }
        throw Failure{error, "data of " + std::to_string(exchange.data_size()) + " octets was declared, the limit is " +
                                 std::to_string(client.limits.data)};
      default:
        throw Failure{stream.failure(), name_of(client) + ": " + stream.failure().message()};
    }
  }

  std::atomic<bool> cancelled_{false};
};

Client::Client() : impl_{std::make_unique<Impl>()} {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Buffer Client::receive() {
  MemorySink sink;
  impl_->receive(*this, sink);
  return sink.take();
}

Buffer Client::receive(std::error_code& ec) {
  return without_exception(ec, [&] { return receive(); });
}

std::uint64_t Client::receive_file(const std::filesystem::path& file) {
  FileSink sink{file, impl_->cancelled()};
  return impl_->receive(*this, sink);
}

std::uint64_t Client::receive_file(const std::filesystem::path& file, std::error_code& ec) {
  return without_exception(ec, [&] { return receive_file(file); });
}

std::uint64_t Client::receive_descriptor(int descriptor) {
  DescriptorSink sink{descriptor, "descriptor " + std::to_string(descriptor), impl_->cancelled()};
  return impl_->receive(*this, sink);
}

std::uint64_t Client::receive_descriptor(int descriptor, std::error_code& ec) {
  return without_exception(ec, [&] { return receive_descriptor(descriptor); });
}

void Client::cancel() noexcept { impl_->cancel(); }

}  // namespace kcom5
