// The two state machines of an exchange: bytes and events in, actions out. Spec: "States".
//
// Core, layer 2: no socket, no clock. Memory grows with the bytes that arrived, never by a declared length
// (`limit.memory`). Only ClientExchange::feed() allocates, and may throw std::bad_alloc. The machines do not move data.
// Once the data's length is known, the transport reads the data straight into its destination and reports how many
// bytes came.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "kcom5/errors.hpp"
#include "kcom5/wire.hpp"

namespace kcom5 {

/// An event that a caller reports to an exchange. The names are those of the spec's tables. The exchanges generate
/// `whole`, `wrong` and `over` themselves.
enum class Event : std::uint8_t {
  nothing,  ///< does nothing, in any state
  connected,
  refused,
  sent,
  acknowledged,
  end,
  early_end,
  reset,
  timeout,
  failure,
  cancel,
};

/// An action that the caller performs at once.
enum class Action : std::uint8_t { none, send_hello, send_frame, half_close, confirm, deliver };

enum class ServerState : std::uint8_t { listening, hello, sending, half_closed, confirming, draining, done, failed };
enum class ClientState : std::uint8_t { connecting, echo, message_length, message, data_length, data, done, failed };

/// Whether a server may send this message: message-too-long, then message-not-utf8, or nothing.
[[nodiscard]] std::optional<Error> check_message(ByteView message) noexcept;

/// The limits of a receiver: `limit.over`. A length equal to its limit is accepted.
struct Limits {
  std::uint64_t message = std::uint64_t{16} << 20;                 ///< bytes; 16 MiB
  std::uint64_t data = std::numeric_limits<std::uint64_t>::max();  ///< bytes; no limit
};

/// The server's side of one exchange.
class ServerExchange {
 public:
  /// *Requires*: check_message(message) finds nothing; `message` outlives the exchange.
  ServerExchange(std::string_view message, std::uint64_t data_length) noexcept;

  /// Takes an event. *Returns* the action that the caller performs at once.
  Action on(Event event) noexcept;
  /// Fails because the client runs as another user: `unix.owner`.
  void refuse_peer() noexcept;

  /// Takes all bytes that one read returned: `hello.segments`, `hello.reject`, `hello.alone`. After the hello they are
  /// discarded: `close.extra`. *Returns* `send_frame` when the hello is complete.
  Action feed(ByteView octets) noexcept;

  /// For `Action::send_frame`: the bytes before the data, as three pieces that live as long as this object and the
  /// message: `echo.exact`, `frame.order`.
  [[nodiscard]] std::array<ByteView, 3> head() const noexcept;

  [[nodiscard]] ServerState state() const noexcept { return state_; }
  /// Whether the client's orderly end came after the half-close. In `done` it tells whether the success is confirmed.
  [[nodiscard]] bool confirmed() const noexcept { return confirmed_; }
  [[nodiscard]] std::optional<Error> error() const noexcept { return error_; }
  /// How many bytes of the peer were consumed, up to the error if there is one.
  [[nodiscard]] std::uint64_t consumed() const noexcept { return consumed_; }

 private:
  Action take(Event event) noexcept;

  ServerState state_ = ServerState::listening;
  bool confirmed_ = false;
  std::optional<Error> error_;
  std::uint64_t consumed_ = 0;
  std::array<std::uint8_t, hello_size + message_length_size> opening_;  // the echo, then the message's length
  std::string_view message_;
  std::array<std::uint8_t, data_length_size> data_length_;
};

/// The client's side of one exchange.
class ClientExchange {
 public:
  explicit ClientExchange(const Nonce& nonce, Limits limits = {}) noexcept;

  /// Takes an event. *Returns* the action that the caller performs at once.
  Action on(Event event) noexcept;
  /// Fails because the server runs as another user: `unix.owner`.
  void refuse_peer() noexcept;

  /// Takes bytes of the head, in any pieces: `echo.segments`, `frame.segments`. *Returns* how many were consumed: all,
  /// or those before the data, or those up to the end of the exchange. *Errors*: throws std::bad_alloc.
  std::size_t feed(ByteView octets);

  /// How many bytes the field still needs, or in `data` the data. A client that reads no more than this leaves later
  /// bytes unread. On a transport without another reset, closing then resets the connection (`close.abort`).
  [[nodiscard]] std::uint64_t needed() const noexcept;

  /// Records that `count` bytes of the data arrived. *Returns* `deliver` with the last one; the state stays `data`
  /// until delivered(). Empty data arrives with its length: the state is `data` and needed() is 0.
  /// *Requires*: the state is `data`; count <= needed().
  Action arrived(std::uint64_t count) noexcept;

  /// Records that everything is stored: the state becomes `done`. If storing fails, report `failure` or `cancel`
  /// instead. Does nothing unless the state is `data` and needed() is 0.
  void delivered() noexcept;

  /// For `Action::send_hello`: the bytes to send.
  [[nodiscard]] const Hello& hello() const noexcept { return hello_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  /// The declared lengths, once they are known.
  [[nodiscard]] std::uint64_t message_length() const noexcept { return message_length_; }
  [[nodiscard]] std::uint64_t data_length() const noexcept { return data_length_; }

  [[nodiscard]] ClientState state() const noexcept { return state_; }
  [[nodiscard]] std::optional<Error> error() const noexcept { return error_; }
  /// How many bytes of the peer were consumed, up to the error if there is one.
  [[nodiscard]] std::uint64_t consumed() const noexcept { return consumed_; }

 private:
  Action take(Event event) noexcept;
  void take_echo(ByteView& octets) noexcept;
  void take_message_length(ByteView& octets) noexcept;
  void take_message(ByteView& octets);
  void take_data_length(ByteView& octets) noexcept;
  [[nodiscard]] std::optional<std::uint64_t> take_length(ByteView& octets, std::size_t size) noexcept;

  ClientState state_ = ClientState::connecting;
  std::optional<Error> error_;
  std::uint64_t consumed_ = 0;
  Hello hello_;
  Limits limits_;
  std::array<std::uint8_t, data_length_size> field_{};  // a length, as far as it has arrived
  std::size_t have_ = 0;                                // bytes of the echo or of field_
  std::uint64_t message_length_ = 0;
  std::string message_;
  std::uint64_t data_length_ = 0;
  std::uint64_t data_left_ = 0;
};

}  // namespace kcom5
