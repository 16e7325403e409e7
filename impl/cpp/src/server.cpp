// Listens, serves one client, sends, and waits for its close. Spec: "Listening and connecting", "States", "Closing".
#include "kcom5/server.hpp"

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <atomic>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "body.hpp"
#include "deadline.hpp"
#include "kcom5/address.hpp"
#include "kcom5/exchange.hpp"
#include "stream.hpp"
#include "system.hpp"

namespace kcom5 {
namespace {

void check(std::error_code ec, const Options& options) {
  ec = system::system_code(ec);
  if (ec == std::errc::address_in_use) throw Failure{Error::in_use, name_of(options) + " is taken"};
  if (ec) throw Failure{ec, name_of(options) + ": " + ec.message()};
}

std::string seconds(const Options& options) { return std::to_string(options.close) + " s"; }

/// The listening socket, and the file that it made if it is a Unix-domain one.
class Listener {
 public:
  Listener(asio::io_context& context, const Options& options)
      : options_{options}, acceptor_{context}, deadline_{options.close} {
    if (options.path.empty()) {
      listen_on_loopback();
    } else {
      listen_on_path();
    }
    deadline_.restart();
  }
  /// Stops listening: any other client is refused (`listen.refuse-others`). `unix.cleanup`: its own file, and no other.
  ~Listener() {
    std::error_code ignored;
    if (made_ && system::file_id(options_.path) == made_) std::filesystem::remove(options_.path, ignored);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] int port() const {
    if (!options_.path.empty()) return 0;
    asio::ip::tcp::endpoint bound;
    const Endpoint endpoint = acceptor_.local_endpoint();
    bound.resize(endpoint.size());
    std::memcpy(bound.data(), endpoint.data(), endpoint.size());
    return bound.port();
  }

  /// Waits for the first client.
  Socket accept(const std::atomic<bool>& cancelled) {
    for (;;) {
      // The bound is looked at before the queue: a client that came in the last moment is taken.
      const bool passed = deadline_.passed();
      std::error_code ec;
      Socket socket = acceptor_.accept(ec);
      ec = system::system_code(ec);
      if (!ec) return socket;
      if (ec != std::errc::operation_would_block && ec != std::errc::interrupted) check(ec, options_);
      if (passed) throw Failure{Error::timeout, "no client within " + seconds(options_)};
      system::wait(acceptor_.native_handle(), {.read = true}, deadline_.left(glance));
      if (cancelled) check(std::make_error_code(std::errc::operation_canceled), options_);
    }
  }

 private:
  void open(const Endpoint& endpoint) {
    std::error_code ec;
    acceptor_.open(endpoint.protocol(), ec);
    check(ec, options_);
    system::close_on_exec(acceptor_.native_handle());
    acceptor_.non_blocking(true, ec);
    check(ec, options_);
  }

  void listen() {
    std::error_code ec;
    // The queue is long so that strangers are reset when the first client is accepted, and not left to try again.
    acceptor_.listen(asio::socket_base::max_listen_connections, ec);
    check(ec, options_);
  }

  void listen_on_loopback() {
    const Endpoint endpoint = endpoint_of(options_);
    open(endpoint);
    std::error_code ec;
    if (options_.ipv6) acceptor_.set_option(asio::ip::v6_only{true}, ec);
    check(ec, options_);
    system::set_exclusive(acceptor_, ec);
    check(ec, options_);
    acceptor_.bind(endpoint, ec);
    check(ec, options_);
    listen();
  }

  void listen_on_path() {
    const Endpoint endpoint = endpoint_of(options_);
    std::error_code ec;
    const system::PathState found = system::probe(options_.path, endpoint, ec);
    check(ec, options_);
    if (found == system::PathState::live) throw Failure{Error::in_use, name_of(options_) + ": another server listens"};
    if (found == system::PathState::other) {
      throw Failure{Error::in_use, name_of(options_) + ": there is a file that is no socket"};
    }
    if (found == system::PathState::stale) std::filesystem::remove(options_.path, ec);
    check(ec, options_);
    open(endpoint);
    acceptor_.bind(endpoint, ec);
    check(ec, options_);
    made_ = system::file_id(options_.path);
    // Nobody can connect before listen(), so the mode is in time: `unix.mode`.
    std::filesystem::permissions(options_.path, std::filesystem::perms{0600}, ec);
    check(ec, options_);
    listen();
  }

  Options options_;
  Acceptor acceptor_;
  Deadline deadline_;
  std::optional<system::FileId> made_;
};

}  // namespace

class Server::Impl {
 public:
  int open(const Server& options) {
    // What is wrong with the call is said before a socket is opened.
    if (options.path.empty() && (options.port < 0 || options.port > max_port)) {
      throw Failure{Error::invalid_port, "got port " + std::to_string(options.port) + ", expected 0 to 65535"};
    }
    if (const std::optional<Error> error = check_message(octets_of(options.msg))) {
      const bool is_long = *error == Error::message_too_long;
      throw Failure{*error, "got a message of " + std::to_string(options.msg.size()) + " octets" +
                                (is_long ? ", expected at most 4294967295" : " that is not UTF-8")};
    }
    if (!listener_) {
      context_.emplace(1);
      listener_.emplace(*context_, options);
      if (options.listening) options.listening(listener_->port());
    }
    return listener_->port();
  }

  void send(const Server& options, Source& source) {
    const AtEnd forget{*this};
    open(options);
    ServerExchange exchange{options.msg, source.size()};
    Stream stream{listener_->accept(cancelled_), options, cancelled_};
    listener_.reset();
    exchange.on(stream.is_other_user() ? Event::wrong : Event::connected);
    if (exchange.error()) throw Failure{*exchange.error(), "the client belongs to another user"};

    Event event = Event::more;
    while (exchange.state() == ServerState::hello) event = receive(exchange, stream);
    if (exchange.state() == ServerState::sending) event = send_frame(options, exchange, stream, source);
    while (exchange.state() == ServerState::confirming) event = receive(exchange, stream);
    if (exchange.error()) fail(options, exchange, stream, event);
    stream.close();
  }

  void cancel() noexcept { cancelled_ = true; }
  [[nodiscard]] const std::atomic<bool>& cancelled() const noexcept { return cancelled_; }

 private:
  /// `close.residue`: success or not.
  struct AtEnd {
    Impl& impl;
    ~AtEnd() {
      impl.listener_.reset();
      impl.context_.reset();
    }
  };

  /// The larger the room, the surer `hello.alone` sees what came with the hello.
  static Event receive(ServerExchange& exchange, Stream& stream) {
    std::array<std::uint8_t, 4096> octets;
    std::size_t count = 0;
    const Event event = stream.receive(octets, count);
    if (event == Event::more) {
      exchange.feed(Octets{octets}.first(count));
    } else {
      exchange.on(event);
    }
    return event;
  }

  static Event send_frame(const Options& options, ServerExchange& exchange, Stream& stream, Source& source) {
    const std::array<Octets, 3> head = exchange.head();
    std::array<Octets, 4> pieces{head[0], head[1], head[2], source.next()};
    std::uint64_t done = 0;
    Event event = Event::more;
    while (exchange.state() == ServerState::sending || exchange.state() == ServerState::half_closed) {
      const std::size_t before = pieces.back().size();
      event = stream.send(pieces);
      done += before - pieces.back().size();
      if (options.progress) options.progress(done, source.size());
      if (event == Event::sent) {
        pieces.back() = source.next();
        if (!pieces.back().empty()) continue;
        if (const Event closed = stream.half_close(); closed != Event::more) event = closed;
      }
      exchange.on(event);
    }
    return event;
  }

  [[noreturn]] static void fail(const Options& options, const ServerExchange& exchange, const Stream& stream,
                                Event event) {
    const Error error = *exchange.error();
    const std::string offset = std::to_string(exchange.offset());
    switch (error) {
      case Error::invalid_connection:
        if (event != Event::more) throw Failure{error, "the client left after " + offset + " of 8 octets of the hello"};
        if (exchange.offset() > hello_size) throw Failure{error, "got more than the eight octets of a hello"};
        throw Failure{error, "octet " + offset + " of the hello is wrong, expected 4b 43 4f 4d 35 and three octets"};
      case Error::timeout:
        if (exchange.offset() >= hello_size) throw Failure{error, "the client took no octet for " + seconds(options)};
        throw Failure{error, "got " + offset + " of 8 octets of the hello within " + seconds(options)};
      case Error::unconfirmed:
        if (event == Event::timeout) throw Failure{error, "the client did not close within " + seconds(options)};
        throw Failure{error, "the client left before it had taken everything"};
      default:
        throw Failure{stream.failure(), name_of(options) + ": " + stream.failure().message()};
    }
  }

  std::optional<asio::io_context> context_;
  std::optional<Listener> listener_;
  std::atomic<bool> cancelled_{false};
};

Server::Server() : impl_{std::make_unique<Impl>()} {}
Server::~Server() = default;
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

int Server::open() {
  return as_failures([&] { return impl_->open(*this); });
}

int Server::open(std::error_code& ec) {
  return without_exception(ec, [&] { return open(); });
}

void Server::send(Octets data) {
  MemorySource source{data};
  as_failures([&] { impl_->send(*this, source); });
}

void Server::send(Octets data, std::error_code& ec) {
  without_exception(ec, [&] { send(data); });
}

void Server::send_file(const std::filesystem::path& file) {
  std::error_code ec;
  const system::File opened = system::open_read(file, ec);
  if (ec) throw Failure{ec, file.string() + ": " + ec.message()};
  DescriptorSource source{opened.get(), file.string(), impl_->cancelled()};
  as_failures([&] { impl_->send(*this, source); });
}

void Server::send_file(const std::filesystem::path& file, std::error_code& ec) {
  without_exception(ec, [&] { send_file(file); });
}

void Server::send_descriptor(int descriptor) {
  DescriptorSource source{descriptor, "descriptor " + std::to_string(descriptor), impl_->cancelled()};
  as_failures([&] { impl_->send(*this, source); });
}

void Server::send_descriptor(int descriptor, std::error_code& ec) {
  without_exception(ec, [&] { send_descriptor(descriptor); });
}

void Server::cancel() noexcept { impl_->cancel(); }

}  // namespace kcom5
