// Non-blocking reads and writes, and one wait for all of them. See stream.hpp.
#include "stream.hpp"

#include <algorithm>
#include <array>
#include <asio/error.hpp>
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
      throw Failure{system::system_code(error.code()), options.path.string() + ": " + error.code().message()};
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

Stream::Stream(Socket socket, const Options& options, const std::atomic<bool>& cancelled)
    : socket_{std::move(socket)}, is_tcp_{options.path.empty()}, cancelled_{cancelled}, deadline_{options.close} {
  system::close_on_exec(socket_.native_handle());
  socket_.non_blocking(true);
  if (is_tcp_) {
    std::error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
    system::prefer_unpaced(socket_.native_handle());
  }
}

Stream::~Stream() {
  std::error_code ignored;
  if (socket_.is_open()) socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket_.close(ignored);
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
  const int socket = socket_.native_handle();
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
    const std::error_code ec = system::connect(socket_, endpoint);
    if (!ec || ec == std::errc::already_connected) break;
    if (ec == std::errc::connection_refused || ec == std::errc::no_such_file_or_directory) return Event::refused;
    Event event = Event::more;
    if (ec == std::errc::operation_in_progress || ec == std::errc::connection_already_in_progress ||
        ec == std::errc::interrupted) {
      event = wait({.write = true});
    } else if (ec == std::errc::operation_would_block) {
      // The queue of a Unix-domain listener is full, and nothing tells when it is not.
      system::wait(system::no_socket, {}, std::chrono::milliseconds{10});
      event = wait({});
    } else {
      // Reset already: it was connected, and the first read tells.
      return event_of(ec) == Event::reset ? Event::connected : Event::failure;
    }
    if (event != Event::more) return event;
  }
  std::error_code gone;  // a connection that was reset meanwhile has no peer: the first read tells
  const bool is_self = is_tcp_ && socket_.local_endpoint(gone) == socket_.remote_endpoint(gone) && !gone;
  return is_self ? Event::refused : Event::connected;
}

Event Stream::receive(std::span<std::uint8_t> room, std::size_t& count) {
  for (;;) {
    std::error_code ec;
    count = socket_.receive(asio::buffer(room.data(), room.size()), 0, ec);
    ec = system::system_code(ec);
    if (!ec) return Event::more;
    if (ec == asio::error::eof) {
      // A reset that came after the end is not told by a read: the error is kept with the socket.
      peer_ended_ = true;
      ec = system::pending_error(socket_);
      return ec ? event_of(ec) : Event::end;
    }
    if (ec != std::errc::operation_would_block && ec != std::errc::interrupted) return event_of(ec);
    if (const Event event = wait({.read = true}); event != Event::more) return event;
  }
}

Event Stream::send(std::span<Octets> pieces) {
  std::array<asio::const_buffer, 4> buffers;
  for (std::size_t i = 0; i < pieces.size(); ++i) buffers.at(i) = asio::buffer(pieces[i].data(), pieces[i].size());
  std::error_code ec;
  std::size_t count = socket_.send(buffers, 0, ec);
  ec = system::system_code(ec);
  if (ec == std::errc::operation_would_block || ec == std::errc::interrupted) {
    if (const Event event = wait({.read = !peer_ended_, .write = true}); event != Event::more) return event;
    std::array<std::uint8_t, 4096> thrown_away;
    if (peer_ended_) return Event::more;
    count = socket_.receive(asio::buffer(thrown_away), 0, ec);
    ec = system::system_code(ec);
    if (!ec || ec == std::errc::operation_would_block || ec == std::errc::interrupted) return Event::more;
    peer_ended_ = ec == asio::error::eof;
    return peer_ended_ ? Event::end : event_of(ec);
  }
  if (ec) return event_of(ec);
  restart();
  unacknowledged_.reset();
  for (Octets& piece : pieces) {
    const std::size_t taken = std::min(count, piece.size());
    piece = piece.subspan(taken);
    count -= taken;
  }
  return std::ranges::all_of(pieces, &Octets::empty) ? Event::sent : Event::more;
}

Event Stream::half_close() {
  std::error_code ec;
  socket_.shutdown(asio::socket_base::shutdown_send, ec);
  restart();
  return ec ? event_of(system::system_code(ec)) : Event::more;
}

bool Stream::is_other_user() {
  if (is_tcp_) return false;
  std::error_code ec;
  const bool other = system::is_other_user(socket_.native_handle(), ec);
  if (ec) throw Failure{ec};
  return other;
}

void Stream::close() {
  std::error_code ignored;
  socket_.close(ignored);
}

}  // namespace kcom5
