// Non-blocking reads and writes, and one wait for all of them. See stream.hpp.
#include "stream.hpp"

#include <algorithm>
#include <array>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <string>
#include <utility>

namespace kcom5 {

Endpoint endpoint_of(const Options& options) {
  if (!options.path.empty()) {
    try {
      return asio::local::stream_protocol::endpoint{options.path.string()};
    } catch (const std::system_error& error) {
      // Asio's own category says it in the same words.
      throw Failure{std::make_error_code(std::errc::filename_too_long),
                    options.path.string() + ": " + error.code().message()};
    }
  }
  const auto port = static_cast<asio::ip::port_type>(options.port);
  if (options.ipv6) return asio::ip::tcp::endpoint{asio::ip::address_v6::loopback(), port};
  return asio::ip::tcp::endpoint{asio::ip::address_v4::loopback(), port};
}

std::string name_of(const Options& options) {
  if (!options.path.empty()) return options.path.string();
  return (options.ipv6 ? "[::1]:" : "127.0.0.1:") + std::to_string(options.port);
}

Stream::~Stream() {
  if (socket_.get() >= 0) system::reset_when_closed(socket_.get());
}

Event Stream::event_of(const std::error_code& ec) noexcept {
  // The connection is gone: the peer reset it, or it had ended and got more octets.
  if (ec == std::errc::connection_reset || ec == std::errc::broken_pipe || ec == std::errc::connection_aborted ||
      ec == std::errc::not_connected) {
    return Event::reset;
  }
  failure_ = ec;
  return Event::failure;
}

/// `more`: try again; `timeout`: the bound has passed; `failure`: cancelled.
Event Stream::wait(system::Ready asked) {
  const int socket = socket_.get();
  const system::Ready ready = system::wait(socket, asked, deadline_.left(glance));
  if (cancelled_) return event_of(std::make_error_code(std::errc::operation_canceled));
  if (ready.read || ready.write) return Event::more;
  // Readiness to write is too coarse a sign of movement: it comes when a third of the buffer is free. So octets that
  // the peer's system acknowledged count too, and the first look takes it that some were.
  if (const std::optional<std::uint64_t> now = system::unacknowledged(socket); now && *now != 0) {
    if (!unacknowledged_ || *now < *unacknowledged_) restart();
    unacknowledged_ = now;
  }
  return deadline_.passed() ? Event::timeout : Event::more;
}

Event Stream::connect(const Endpoint& endpoint) {
  for (;;) {
    if (cancelled_) return event_of(std::make_error_code(std::errc::operation_canceled));
    // Called again, connect() tells how the attempt went.
    const std::error_code ec = system::connect(socket_.get(), endpoint);
    if (!ec || ec == std::errc::already_connected) break;
    if (ec == std::errc::connection_refused || ec == std::errc::no_such_file_or_directory) return Event::refused;
    Event event = Event::more;
    // On loopback it is mostly done when the first call returns, and the second one tells.
    if (ec == std::errc::operation_in_progress) continue;
    if (ec == std::errc::connection_already_in_progress || ec == std::errc::interrupted) {
      event = wait({.write = true});
    } else if (ec == std::errc::operation_would_block) {
      // The queue of a Unix-domain listener is full, and nothing tells when it is not.
      system::wait(system::none, {}, std::chrono::milliseconds{10});
      event = wait({});
    } else {
      // Reset already: it was connected, and the first read tells.
      return event_of(ec) == Event::reset ? Event::connected : Event::failure;
    }
    if (event != Event::more) return event;
  }
  std::error_code gone;  // a connection that was reset meanwhile: the first read tells
  const bool is_self = is_tcp_ && system::local_endpoint(socket_.get(), gone) == endpoint;
  return is_self ? Event::refused : Event::connected;
}

/// Waits until `some` gives octets.
template <class Some>
Event Stream::wait_for(Some some, std::size_t& count) {
  for (;;) {
    if (std::exchange(is_empty_, false)) {
      if (const Event event = wait({.read = true}); event != Event::more) return event;
    }
    std::error_code ec;
    count = some(ec);
    if (count > 0) return Event::more;
    if (!ec) {
      // A reset that came after the end is not told by a read: the error is kept with the socket.
      peer_ended_ = true;
      ec = system::pending_error(socket_.get());
      return ec ? event_of(ec) : Event::end;
    }
    if (ec != std::errc::operation_would_block && ec != std::errc::interrupted) return event_of(ec);
    is_empty_ = true;
  }
}

Event Stream::receive(std::span<std::uint8_t> room, std::size_t& count) {
  return wait_for([&](std::error_code& ec) { return system::receive(socket_.get(), room, ec); }, count);
}

Event Stream::splice(int pipe, std::uint64_t most, std::size_t& count) {
  const auto some = [&](std::error_code& ec) { return system::splice(socket_.get(), pipe, most, ec); };
  const Event event = wait_for(some, count);
  // What else fails, fails when it is read, too, or was not to be had.
  return event == Event::failure && !cancelled_ ? Event::more : event;
}

/// The system takes nothing: waits until it does, and throws away what the peer sends meanwhile.
Event Stream::drain() {
  if (const Event event = wait({.read = !peer_ended_, .write = true}); event != Event::more) return event;
  if (peer_ended_) return Event::more;
  std::array<std::uint8_t, 4096> thrown_away;
  std::error_code ec;
  const std::size_t count = system::receive(socket_.get(), thrown_away, ec);
  if (count > 0 || ec == std::errc::operation_would_block || ec == std::errc::interrupted) return Event::more;
  peer_ended_ = !ec;
  return peer_ended_ ? Event::end : event_of(ec);
}

/// Octets were taken.
void Stream::moved() noexcept {
  restart();
  unacknowledged_.reset();
  is_empty_ = true;  // what answers it is hardly there yet
}

Event Stream::send(std::span<Octets> pieces) {
  std::error_code ec;
  std::size_t count = system::send(socket_.get(), pieces, ec);
  if (ec == std::errc::operation_would_block || ec == std::errc::interrupted) return drain();
  if (ec) return event_of(ec);
  moved();
  for (Octets& piece : pieces) {
    const std::size_t taken = std::min(count, piece.size());
    piece = piece.subspan(taken);
    count -= taken;
  }
  return std::ranges::all_of(pieces, &Octets::empty) ? Event::sent : Event::more;
}

Event Stream::send_file(int file, std::uint64_t most, std::size_t& count) {
  std::error_code ec;
  count = system::send_file(socket_.get(), file, most, ec);
  if (count > 0) {
    moved();
    return Event::more;
  }
  if (ec == std::errc::operation_would_block || ec == std::errc::interrupted) return drain();
  return ec && event_of(ec) == Event::reset ? Event::reset : Event::sent;
}

Event Stream::half_close() {
  const std::error_code ec = system::half_close(socket_.get());
  restart();
  return ec ? event_of(ec) : Event::more;
}

bool Stream::is_other_user() {
  if (is_tcp_) return false;
  std::error_code ec;
  const bool other = system::is_other_user(socket_.get(), ec);
  if (ec) throw Failure{ec};
  return other;
}

}  // namespace kcom5
