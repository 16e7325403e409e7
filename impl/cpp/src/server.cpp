// Listens, serves one client, sends, and waits for its close. Spec: "Listening and connecting", "States", "Closing".
#include "kcom5/server.hpp"

#include <algorithm>
#include <array>
#include <asio/ip/tcp.hpp>
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

void check(const std::error_code& ec, const Options& options) {
  if (ec == std::errc::address_in_use) throw Failure{Error::in_use, name_of(options) + " is taken"};
  if (ec) throw Failure{ec, name_of(options) + ": " + ec.message()};
}

std::string seconds(const Options& options) { return std::to_string(options.close) + " s"; }

/// The listening socket, and the file that it made if it is a Unix-domain one.
class Listener {
 public:
  explicit Listener(const Options& options) : options_{options}, deadline_{options.close} {
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

  /// 0 for a path.
  [[nodiscard]] int port() const noexcept { return options_.path.empty() ? options_.port : 0; }

  /// Waits for the first client.
  system::Descriptor accept(const std::atomic<bool>& cancelled) {
    for (;;) {
      // The bound is looked at before the queue: a client that came in the last moment is taken.
      const bool passed = deadline_.passed();
      system::wait(socket_.get(), {.read = true}, deadline_.left(glance));
      if (cancelled) check(std::make_error_code(std::errc::operation_canceled), options_);
      std::error_code ec;
      system::Descriptor socket = system::accept(socket_.get(), ec);
      if (!ec) return socket;
      if (ec != std::errc::operation_would_block && ec != std::errc::interrupted) check(ec, options_);
      if (passed) throw Failure{Error::timeout, "no client within " + seconds(options_)};
    }
  }

 private:
  void bind(const Endpoint& endpoint) {
    std::error_code ec;
    socket_ = system::open_socket(endpoint, ec);
    check(ec, options_);
    check(system::bind(socket_.get(), endpoint), options_);
  }

  void listen_on_loopback() {
    bind(endpoint_of(options_));
    check(system::listen(socket_.get()), options_);
    if (options_.port != 0) return;
    std::error_code ec;
    const Endpoint endpoint = system::local_endpoint(socket_.get(), ec);
    check(ec, options_);
    asio::ip::tcp::endpoint bound;
    bound.resize(endpoint.size());
    std::memcpy(bound.data(), endpoint.data(), endpoint.size());
    options_.port = bound.port();
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
    bind(endpoint);
    made_ = system::file_id(options_.path);
    // Nobody can connect before listen(), so the mode is in time: `unix.mode`.
    std::filesystem::permissions(options_.path, std::filesystem::perms{0600}, ec);
    check(ec, options_);
    check(system::listen(socket_.get()), options_);
  }

  Options options_;
  system::Descriptor socket_;
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
      listener_.emplace(options);
      if (options.listening) options.listening(listener_->port());
    }
    return listener_->port();
  }

  void send(const Server& options, Source& source) {
    const AtEnd forget{listener_};
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
    std::optional<Listener>& listener;
    ~AtEnd() { listener.reset(); }
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
    if (source.size() > much) stream.send_much();
    const std::array<Octets, 3> head = exchange.head();
    std::array<Octets, 4> pieces{head[0], head[1], head[2], source.next()};
    std::uint64_t done = 0;
    Event event = Event::more;
    while (exchange.state() == ServerState::sending || exchange.state() == ServerState::half_closed) {
      // The system may send a file's very pages: not without a confirmation that they were taken.
      const bool is_confirmed = exchange.state() == ServerState::sending;
      const bool by_system = is_confirmed && source.file() >= 0 && std::ranges::all_of(pieces, &Octets::empty);
      std::size_t count = pieces.back().size();
      if (by_system) {
        event = stream.send_file(source.file(), source.size() - done, count);
        source.skip(count);
        if (count > 0 && done + count == source.size()) event = Event::sent;
      } else {
        event = stream.send(pieces);
        count -= pieces.back().size();
      }
      done += count;
      if (options.progress) options.progress(done, source.size());
      if (event == Event::sent) {
        if (!by_system && is_confirmed && source.file() >= 0) continue;
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

  std::optional<Listener> listener_;
  std::atomic<bool> cancelled_{false};
};

Server::Server() : impl_{std::make_unique<Impl>()} {}
Server::~Server() = default;
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

int Server::open() { return impl_->open(*this); }

int Server::open(std::error_code& ec) {
  return without_exception(ec, [&] { return open(); });
}

void Server::send(Octets data) {
  const std::size_t head = hello_size + message_length_size + msg.size() + data_length_size;
  const bool is_much_on_tcp = data.size() > much && path.empty();
  MemorySource source{data, is_much_on_tcp ? system::first_piece(head, data) : data.size()};
  impl_->send(*this, source);
}

void Server::send(Octets data, std::error_code& ec) {
  without_exception(ec, [&] { send(data); });
}

void Server::send_file(const std::filesystem::path& file) {
  std::error_code ec;
  const system::Descriptor opened = system::open_read(file, ec);
  if (ec) throw Failure{ec, file.string() + ": " + ec.message()};
  DescriptorSource source{opened.get(), file.string(), impl_->cancelled()};
  impl_->send(*this, source);
}

void Server::send_file(const std::filesystem::path& file, std::error_code& ec) {
  without_exception(ec, [&] { send_file(file); });
}

void Server::send_descriptor(int descriptor) {
  DescriptorSource source{descriptor, "descriptor " + std::to_string(descriptor), impl_->cancelled()};
  impl_->send(*this, source);
}

void Server::send_descriptor(int descriptor, std::error_code& ec) {
  without_exception(ec, [&] { send_descriptor(descriptor); });
}

void Server::cancel() noexcept { impl_->cancel(); }

}  // namespace kcom5
