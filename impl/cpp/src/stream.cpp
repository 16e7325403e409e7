// Non-blocking reads and writes, and one wait for all of them. See stream.hpp.
#include "stream.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace kcom5 {
namespace {

bool is_retry(const std::error_code& ec) noexcept {
  return ec == std::errc::operation_would_block || ec == std::errc::interrupted;
}

/// The limit on what is discarded before a close, for a peer that never stops.
constexpr int most_blocks_thrown_away = 4096;

}  // namespace

Stream::~Stream() {
  if (socket_.get() < 0) return;
  if (!is_half_closed_) {
    system::reset_when_closed(socket_.get(), true);
    return;
  }
  // A close with bytes unread would be a reset, which destroys what the peer has not read yet.
  std::array<std::uint8_t, 4096> thrown_away;
  std::error_code ec;
  for (int i = 0; i < most_blocks_thrown_away && system::receive(socket_.get(), thrown_away, ec) > 0; ++i) continue;
}

Event Stream::event_of(const std::error_code& ec) noexcept {
  // The connection is gone: the peer reset it, or it had closed and got more bytes.
  if (ec == std::errc::connection_reset || ec == std::errc::broken_pipe || ec == std::errc::connection_aborted ||
      ec == std::errc::not_connected) {
    return Event::reset;
  }
  failure_ = ec;
  return Event::failure;
}

/// Returns `nothing`: try again, whether or not it is ready; `timeout`: the deadline had passed before the last try; or
/// `cancel`.
Event Stream::wait(system::Ready asked, system::Ready& ready) {
  const bool has_passed = deadline_.passed();
  if (is_server_ && !unacknowledged_) unacknowledged_ = system::unacknowledged(socket_.get());
  ready = system::wait(socket_.get(), asked, deadline_.left(glance));
  if (cancelled_) return Event::cancel;
  if (is_server_ && !ready.write) note_acknowledged();
  if (ready.read || ready.write) return Event::nothing;
  return has_passed && deadline_.passed() ? Event::timeout : Event::nothing;
}

/// Write readiness is too coarse a sign of progress: it comes when a third of the buffer is free. So bytes that the
/// peer's kernel acknowledged count too.
void Stream::note_acknowledged() noexcept {
  const std::optional<std::uint64_t> now = system::unacknowledged(socket_.get());
  if (now && unacknowledged_ && *now < *unacknowledged_) restart();
  unacknowledged_ = now;
}

Event Stream::connect(const system::Endpoint& endpoint) {
  for (;;) {
    std::error_code ec;
    socket_ = system::open_socket(endpoint, ec);
    if (ec) return event_of(ec);
    const Event event = dial(endpoint);
    if (event != Event::timeout || deadline_.passed()) return event;
    system::wait(system::none, {}, retry_delay);
  }
}

/// One socket's attempt. `timeout`: the deadline has passed, or the kernel gave up.
Event Stream::dial(const system::Endpoint& endpoint) {
  for (;;) {
    if (cancelled_) return Event::cancel;
    // A second connect() reports the result of the attempt.
    const std::error_code ec = system::connect(socket_.get(), endpoint);
    if (!ec || ec == std::errc::already_connected) break;
    if (ec == std::errc::connection_refused) return Event::refused;
    if (ec == std::errc::timed_out) return Event::timeout;
    if (ec == std::errc::no_such_file_or_directory) {
      // Nobody listens at a path without a file; a missing folder is another error.
      std::error_code missing;
      const std::filesystem::path folder = options_.path.parent_path();
      (void)system::open_folder(system::none, folder.empty() ? "." : folder, false, missing);
      return missing ? event_of(missing) : Event::refused;
    }
    Event event = Event::nothing;
    system::Ready ready;
    // On loopback the connection usually exists when the first call returns, and the second one confirms it.
    if (ec == std::errc::operation_in_progress) continue;
    if (ec == std::errc::connection_already_in_progress || ec == std::errc::interrupted) {
      event = wait({.write = true}, ready);
    } else if (ec == std::errc::operation_would_block) {
      // The queue of a Unix-domain listener is full, and no event reports when it is not.
      const bool has_passed = deadline_.passed();
      system::wait(system::none, {}, deadline_.left(retry_delay));
      event = has_passed ? Event::timeout : Event::nothing;
    } else {
      return event_of(ec);
    }
    if (event != Event::nothing) return event;
  }
  if (!is_tcp()) return Event::connected;
  // If this process is killed, the server must not take that for a success.
  system::reset_when_closed(socket_.get(), true);
  std::error_code gone;  // a reset in the meantime: the first read reports it
  return system::local_endpoint(socket_.get(), gone) == endpoint ? Event::refused : Event::connected;
}

/// Waits until `some` returns bytes.
template <class Some>
Event Stream::wait_for(Some some, std::size_t& count) {
  for (;;) {
    system::Ready ready;
    if (std::exchange(is_empty_, false)) {
      if (const Event event = wait({.read = true}, ready); event != Event::nothing) return event;
    }
    std::error_code ec;
    count = some(ec);
    if (count > 0) return Event::nothing;
    if (!ec) {
      // A read does not report a reset that came after the end; the socket keeps the error.
      peer_ended_ = true;
      ec = system::pending_error(socket_.get());
      return ec ? event_of(ec) : Event::end;
    }
    if (!is_retry(ec)) return event_of(ec);
    is_empty_ = true;
  }
}

Event Stream::receive(std::span<std::uint8_t> room, std::size_t& count) {
  return wait_for([&](std::error_code& ec) { return system::receive(socket_.get(), room, ec); }, count);
}

Event Stream::peek(std::span<std::uint8_t> room, std::size_t& count) {
  return wait_for([&](std::error_code& ec) { return system::peek(socket_.get(), room, ec); }, count);
}

Event Stream::splice(int pipe, std::uint64_t most, std::size_t& count) {
  const auto some = [&](std::error_code& ec) { return system::splice(socket_.get(), pipe, most, ec); };
  const Event event = wait_for(some, count);
  // Any other failure shows again in receive(), or splice() is not available.
  return event == Event::failure ? Event::nothing : event;
}

Event Stream::skip() {
  std::array<std::uint8_t, 4096> thrown_away;
  std::error_code ec;
  const std::size_t count = system::receive(socket_.get(), thrown_away, ec);
  if (count > 0 || is_retry(ec)) return Event::nothing;
  if (!ec) {
    peer_ended_ = true;
    ec = system::pending_error(socket_.get());
  }
  return ec ? event_of(ec) : Event::end;
}

/// Waits until the kernel takes bytes again, and discards what the peer sends meanwhile.
Event Stream::drain() {
  const bool has_passed = deadline_.passed();
  system::Ready ready;
  if (const Event event = wait({.read = !peer_ended_, .write = true}, ready); event != Event::nothing) return event;
  const Event event = ready.read ? skip() : Event::nothing;
  // Discarded bytes do not count as progress.
  const bool is_over = event == Event::nothing && !ready.write && has_passed && deadline_.passed();
  return is_over ? Event::timeout : event;
}

/// The kernel took bytes.
void Stream::moved() noexcept {
  restart();
  unacknowledged_.reset();
  is_empty_ = true;  // the answer is hardly there yet
}

Event Stream::send(std::span<ByteView> pieces) {
  std::error_code ec;
  std::size_t count = system::send(socket_.get(), pieces, ec);
  if (is_retry(ec)) return drain();
  if (ec) return event_of(ec);
  moved();
  for (ByteView& piece : pieces) {
    const std::size_t taken = std::min(count, piece.size());
    piece = piece.subspan(taken);
    count -= taken;
  }
  return std::ranges::all_of(pieces, &ByteView::empty) ? Event::sent : Event::nothing;
}

Event Stream::send_file(int file, std::uint64_t most, std::size_t& count) {
  std::error_code ec;
  count = system::send_file(socket_.get(), file, most, ec);
  if (count > 0) {
    moved();
    return Event::nothing;
  }
  if (is_retry(ec)) return drain();
  return ec && event_of(ec) == Event::reset ? Event::reset : Event::sent;
}

Event Stream::half_close() {
  const std::error_code ec = system::half_close(socket_.get());
  if (ec) return event_of(ec);
  is_half_closed_ = true;
  restart();
  unacknowledged_ = system::unacknowledged(socket_.get());
  return Event::nothing;
}

bool Stream::is_acknowledged() const noexcept { return system::unacknowledged(socket_.get()).value_or(0) == 0; }

Event Stream::wait_for_acknowledgement() {
  for (;;) {
    const bool has_passed = deadline_.passed();
    note_acknowledged();
    if (const std::error_code ec = system::pending_error(socket_.get())) return event_of(ec);
    if (unacknowledged_.value_or(0) == 0) return Event::acknowledged;
    if (has_passed && deadline_.passed()) return Event::timeout;
    // Both directions are closed, so a wait for the socket would return at once.
    system::wait(system::none, {}, deadline_.left(retry_delay));
    if (cancelled_) return Event::cancel;
  }
}

void Stream::close() noexcept {
  if (is_tcp() && !is_server_) system::reset_when_closed(socket_.get(), false);
  (void)socket_.close();
}

bool Stream::is_other_user() {
  if (is_tcp()) return false;
  std::error_code ec;
  const bool other = system::is_other_user(socket_.get(), ec);
  if (ec) throw Failure{ec, options_.path.string() + ": " + reason(ec)};
  return other;
}

}  // namespace kcom5
