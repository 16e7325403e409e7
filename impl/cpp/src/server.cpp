// Listens, serves one client, sends, and waits for its close. Spec: "Listening and connecting", "States", "Closing".
#include "kcom5/server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "kcom5/address.hpp"
#include "kcom5/exchange.hpp"
#include "listener.hpp"
#include "source.hpp"
#include "stream.hpp"
#include "system.hpp"
#include "waits.hpp"
#include "words.hpp"

namespace kcom5 {
namespace {

/// Rejects a wrong call before a file or a socket is opened.
void check_server(const Options& options) {
  if (options.path.empty() && (options.port < 0 || options.port > max_port)) {
    throw Failure{Error::invalid_port, "got port " + std::to_string(options.port) + ", expected 0 to 65535"};
  }
  const std::optional<Error> error = check_message(bytes_of(options.message));
  if (error == Error::message_too_long) {
    throw Failure{*error,
                  "got a message of " + std::to_string(options.message.size()) + " bytes, expected at most 4294967295"};
  }
  if (error) throw Failure{*error, "the message to send is not valid UTF-8"};
}

/// One exchange with the client that came.
class ServerConversation {
 public:
  ServerConversation(const Options& options, const std::atomic<bool>& cancelled, Source& source, Listener& listener,
                     Server::Stage& stage)
      : options_{options},
        source_{source},
        stage_{stage},
        exchange_{options.message, source.size()},
        stream_{options, cancelled, listener.accept()} {}

  /// Returns what was sent. Throws Failure.
  Sent run() {
    stage_ = Server::Stage::sending;
    if (stream_.is_other_user()) {
      exchange_.refuse_peer();
      throw Failure{Error::invalid_connection, "the client runs as another user"};
    }
    on(Event::connected);
    while (exchange_.state() == ServerState::hello) receive();
    if (exchange_.state() == ServerState::sending) send_frame();
    while (exchange_.state() == ServerState::confirming) receive();
    while (exchange_.state() == ServerState::draining) on(stream_.wait_for_acknowledgement());
    if (exchange_.state() != ServerState::done) fail();
    stream_.close();
    return {source_.size(), exchange_.confirmed()};
  }

 private:
  Action on(Event event) {
    event_ = event;
    return exchange_.on(event);
  }

  /// A larger read is more likely to see bytes that came with the hello: `hello.alone`.
  void receive() {
    std::array<std::uint8_t, 4096> octets;
    std::size_t count = 0;
    const ServerState before = exchange_.state();
    const bool has_passed = stream_.has_passed();
    const Event event = stream_.receive(octets, count);
    if (event == Event::nothing) {
      event_ = event;
      exchange_.feed(ByteView{octets}.first(count));
      // The last read after the deadline found nothing that ends the state.
      if (exchange_.state() == before && has_passed && stream_.has_passed()) on(Event::timeout);
    } else {
      on(event == Event::end && !stream_.is_acknowledged() && before != ServerState::hello ? Event::early_end : event);
    }
  }

  void send_frame() {
    if (source_.size() > much) stream_.send_much();
    const std::array<ByteView, 3> head = exchange_.head();
    std::array<ByteView, 4> pieces{head[0], head[1], head[2], source_.next()};
    std::uint64_t done = 0;
    while (exchange_.state() == ServerState::sending || exchange_.state() == ServerState::half_closed) {
      // A client that has half-closed before it could have everything confirms nothing: `close.confirm`.
      if (exchange_.state() == ServerState::sending) {
        if (const Event event = stream_.skip(); event != Event::nothing) {
          on(event);
          continue;
        }
      }
      const Event event = send_some(pieces, done);
      if (options_.progress) options_.progress(done, source_.size());
      if (event != Event::sent) {
        on(event);
        continue;
      }
      if (pieces.back().empty()) pieces.back() = source_.next();
      if (!pieces.back().empty()) continue;
      stage_ = Server::Stage::sent;
      const Event closed = stream_.half_close();
      on(closed == Event::nothing ? Event::sent : closed);
    }
  }

  /// Sends some of the pieces, or of the source's file behind them. Returns `sent` when all pieces are sent.
  Event send_some(std::array<ByteView, 4>& pieces, std::uint64_t& done) {
    // sendfile() may send the file's own pages, which can change until the client has read them. So only a client that
    // can still confirm gets them.
    const bool is_file = exchange_.state() == ServerState::sending && source_.file() >= 0;
    std::size_t count = pieces.back().size();
    if (is_file && std::ranges::all_of(pieces, &ByteView::empty)) {
      Event event = stream_.send_file(source_.file(), source_.size() - done, count);
      source_.skip(count);
      done += count;
      if (count > 0 && done == source_.size()) event = Event::sent;
      return event;
    }
    const Event event = stream_.send(pieces);
    done += count - pieces.back().size();
    // The kernel sends the file's next bytes.
    return event == Event::sent && is_file ? Event::nothing : event;
  }

  [[noreturn]] void fail() const {
    const Error error = exchange_.error().value_or(Error::io);
    const std::uint64_t offset = exchange_.consumed();
    const std::string got = std::to_string(offset);
    switch (error) {
      case Error::invalid_connection:
        if (event_ == Event::nothing && offset > hello_size) {
          throw Failure{error, "got more than the 8 bytes of a hello"};
        }
        if (event_ == Event::nothing) {
          throw Failure{error, "byte " + got + " of the hello is wrong, expected KCOM5 and three bytes"};
        }
        if (offset == 0) {
          throw Failure{error, "a client connected and left without sending anything; was it a port check?"};
        }
        throw Failure{error, "the client left after " + got + " of 8 bytes of the hello"};
      case Error::timeout:
        if (offset >= hello_size) throw Failure{error, "the client took nothing for " + in_seconds(options_.timeout)};
        throw Failure{error, "got " + got + " of 8 bytes of the hello within " + in_seconds(options_.timeout)};
      case Error::unconfirmed:
        if (event_ == Event::timeout) {
          throw Failure{error,
                        "the client did not close within " + in_seconds(options_.timeout) + "; it may have everything"};
        }
        throw Failure{error, "the client left before it had taken everything"};
      default:
        if (event_ == Event::cancel) throw cancelled_failure();
        throw failure_of(stream_.failure() ? stream_.failure() : std::make_error_code(std::errc::io_error),
                         place_of(options_));
    }
  }

  const Options& options_;
  Source& source_;
  Server::Stage& stage_;
  ServerExchange exchange_;
  Stream stream_;
  Event event_ = Event::nothing;  // the last one
};

}  // namespace

class Server::Impl {
 public:
  int open(const Server& server) {
    check_server(server);
    return listener_of(server).port();
  }

  /// `make` gives the source of the data, which is opened before the server listens.
  template <class Make>
  Sent send(const Server& server, Make make) {
    const AtEnd forget{listener_};
    stage_ = Stage::listening;
    check_server(server);
    auto source = make();
    // The listener closes as soon as it has its client: `listen.refuse-others`.
    ServerConversation conversation{server, cancelled_, source, listener_of(server), stage_};
    listener_.reset();
    return conversation.run();
  }

  void cancel() noexcept { cancelled_ = true; }
  [[nodiscard]] Stage stage() const noexcept { return stage_; }
  [[nodiscard]] Waits waits(const Options& options) const noexcept { return {options.timeout, cancelled_}; }

 private:
  Listener& listener_of(const Server& server) {
    if (listener_) return *listener_;
    Listener& listener = listener_.emplace(server, cancelled_);
    try {
      if (server.listening) server.listening(listener.port());
    } catch (...) {
      listener_.reset();
      throw;
    }
    return listener;
  }

  /// `close.residue`, after a success and after a failure.
  struct AtEnd {
    std::optional<Listener>& listener;
    ~AtEnd() { listener.reset(); }
  };

  std::optional<Listener> listener_;
  Stage stage_ = Stage::listening;
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

Sent Server::send(ByteView data) {
  const std::size_t head = hello_size + message_length_size + message.size() + data_length_size;
  const bool is_much_on_tcp = data.size() > much && path.empty();
  return impl_->send(
      *this, [&] { return MemorySource{data, is_much_on_tcp ? system::first_piece(head, data) : data.size()}; });
}

Sent Server::send(ByteView data, std::error_code& ec) {
  return without_exception(ec, [&] { return send(data); });
}

Sent Server::send_file(const std::filesystem::path& file) {
  return impl_->send(*this, [&] { return FileSource{file, spool_dir, impl_->waits(*this)}; });
}

Sent Server::send_file(const std::filesystem::path& file, std::error_code& ec) {
  return without_exception(ec, [&] { return send_file(file); });
}

Sent Server::send_descriptor(int descriptor) {
  return impl_->send(
      *this, [&] { return FileSource{descriptor, name_of_descriptor(descriptor), spool_dir, impl_->waits(*this)}; });
}

Sent Server::send_descriptor(int descriptor, std::error_code& ec) {
  return without_exception(ec, [&] { return send_descriptor(descriptor); });
}

Server::Stage Server::stage() const noexcept { return impl_->stage(); }

void Server::cancel() noexcept { impl_->cancel(); }

}  // namespace kcom5
