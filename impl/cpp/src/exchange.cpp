// The state tables as data, and the two machines that walk them. Spec: "States".
#include "kcom5/exchange.hpp"

#include <algorithm>

namespace kcom5 {
namespace {

using S = ServerState;
using C = ClientState;
using enum Event;
using enum Action;

// The events that the machines generate, numbered after those of callers. The spec's `more` is a dash in every state,
// so no event of that name exists here.
constexpr Event whole{11};
constexpr Event wrong{12};
constexpr Event over{13};
constexpr std::size_t event_count = 14;
static_assert(static_cast<std::size_t>(cancel) + 1 == static_cast<std::size_t>(whole));

/// A row of the state tables: in `state`, on `event`, do `action` and go to `next`, or fail with `error`. An event
/// without a row is a dash in the spec: nothing is done, and the state stays.
template <class State>
struct Transition {
  State state;
  Event event;
  Action action;
  State next;
  std::optional<Error> error = std::nullopt;
};

constexpr Transition<S> server_rows[] = {
    {S::listening, connected, none, S::hello},
    {S::listening, wrong, none, S::failed, Error::invalid_connection},
    {S::listening, timeout, none, S::failed, Error::timeout},
    {S::listening, failure, none, S::failed, Error::io},
    {S::listening, cancel, none, S::failed, Error::io},
    {S::hello, whole, send_frame, S::sending},
    {S::hello, wrong, none, S::failed, Error::invalid_connection},
    {S::hello, end, none, S::failed, Error::invalid_connection},
    {S::hello, reset, none, S::failed, Error::invalid_connection},
    {S::hello, timeout, none, S::failed, Error::timeout},
    {S::hello, failure, none, S::failed, Error::io},
    {S::hello, cancel, none, S::failed, Error::io},
    {S::sending, sent, half_close, S::confirming},
    {S::sending, end, none, S::half_closed},
    {S::sending, early_end, none, S::half_closed},
    {S::sending, reset, none, S::failed, Error::unconfirmed},
    {S::sending, timeout, none, S::failed, Error::timeout},
    {S::sending, failure, none, S::failed, Error::io},
    {S::sending, cancel, none, S::failed, Error::io},
    {S::half_closed, sent, half_close, S::draining},
    {S::half_closed, reset, none, S::failed, Error::unconfirmed},
    {S::half_closed, timeout, none, S::failed, Error::timeout},
    {S::half_closed, failure, none, S::failed, Error::io},
    {S::half_closed, cancel, none, S::failed, Error::io},
    {S::confirming, end, confirm, S::done},
    {S::confirming, early_end, none, S::draining},
    {S::confirming, reset, none, S::failed, Error::unconfirmed},
    {S::confirming, timeout, none, S::failed, Error::unconfirmed},
    {S::confirming, failure, none, S::failed, Error::io},
    {S::confirming, cancel, none, S::failed, Error::io},
    {S::draining, acknowledged, none, S::done},
    {S::draining, reset, none, S::failed, Error::unconfirmed},
    {S::draining, timeout, none, S::failed, Error::unconfirmed},
    {S::draining, failure, none, S::failed, Error::io},
    {S::draining, cancel, none, S::failed, Error::io},
};

constexpr Transition<C> client_rows[] = {
    {C::connecting, connected, send_hello, C::echo},
    {C::connecting, refused, none, C::failed, Error::refused},
    {C::connecting, wrong, none, C::failed, Error::invalid_connection},
    {C::connecting, end, none, C::failed, Error::invalid_connection},
    {C::connecting, reset, none, C::failed, Error::invalid_connection},
    {C::connecting, timeout, none, C::failed, Error::timeout},
    {C::connecting, failure, none, C::failed, Error::io},
    {C::connecting, cancel, none, C::failed, Error::io},
    {C::echo, whole, none, C::message_length},
    {C::echo, wrong, none, C::failed, Error::invalid_connection},
    {C::echo, end, none, C::failed, Error::invalid_connection},
    {C::echo, reset, none, C::failed, Error::invalid_connection},
    {C::echo, timeout, none, C::failed, Error::timeout},
    {C::echo, failure, none, C::failed, Error::io},
    {C::echo, cancel, none, C::failed, Error::io},
    {C::message_length, whole, none, C::message},
    {C::message_length, over, none, C::failed, Error::over_limit},
    {C::message_length, end, none, C::failed, Error::truncated},
    {C::message_length, reset, none, C::failed, Error::truncated},
    {C::message_length, timeout, none, C::failed, Error::timeout},
    {C::message_length, failure, none, C::failed, Error::io},
    {C::message_length, cancel, none, C::failed, Error::io},
    {C::message, whole, none, C::data_length},
    {C::message, wrong, none, C::failed, Error::malformed_message},
    {C::message, end, none, C::failed, Error::truncated},
    {C::message, reset, none, C::failed, Error::truncated},
    {C::message, timeout, none, C::failed, Error::timeout},
    {C::message, failure, none, C::failed, Error::io},
    {C::message, cancel, none, C::failed, Error::io},
    {C::data_length, whole, none, C::data},
    {C::data_length, over, none, C::failed, Error::over_limit},
    {C::data_length, end, none, C::failed, Error::truncated},
    {C::data_length, reset, none, C::failed, Error::truncated},
    {C::data_length, timeout, none, C::failed, Error::timeout},
    {C::data_length, failure, none, C::failed, Error::io},
    {C::data_length, cancel, none, C::failed, Error::io},
    {C::data, whole, deliver, C::data},  // and delivered() goes to `done`
    {C::data, end, none, C::failed, Error::truncated},
    {C::data, reset, none, C::failed, Error::truncated},
    {C::data, timeout, none, C::failed, Error::timeout},
    {C::data, failure, none, C::failed, Error::io},
    {C::data, cancel, none, C::failed, Error::io},
};

template <class State>
struct Cell {
  Action action = none;
  State next{};
  std::optional<Error> error;
};

template <class State>
using Table = std::array<std::array<Cell<State>, event_count>, static_cast<std::size_t>(State::failed) + 1>;

/// The rows as a table with a cell for every state and event.
template <class State, std::size_t Count>
consteval Table<State> expand(const Transition<State> (&transitions)[Count]) noexcept {
  Table<State> table{};
  for (std::size_t state = 0; state < table.size(); ++state) {
    for (Cell<State>& cell : table[state]) cell.next = static_cast<State>(state);
  }
  for (const Transition<State>& row : transitions) {
    table[static_cast<std::size_t>(row.state)][static_cast<std::size_t>(row.event)] = {row.action, row.next, row.error};
  }
  return table;
}

constexpr Table<S> server_table = expand(server_rows);
constexpr Table<C> client_table = expand(client_rows);

template <class State>
Action step(const Table<State>& table, State& state, std::optional<Error>& error, Event event) noexcept {
  const Cell<State>& cell = table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
  state = cell.next;
  if (cell.error) error = cell.error;
  return cell.action;
}

}  // namespace

std::optional<Error> check_message(ByteView message) noexcept {
  if (message.size() > max_message_size) return Error::message_too_long;
  if (!is_utf8(message)) return Error::message_not_utf8;
  return std::nullopt;
}

ServerExchange::ServerExchange(std::string_view message, std::uint64_t data_length) noexcept
    : opening_{}, message_{message}, data_length_{encode_length<data_length_size>(data_length)} {
  std::ranges::copy(encode_length<message_length_size>(message.size()), opening_.begin() + hello_size);
}

Action ServerExchange::on(Event event) noexcept { return event < whole ? take(event) : none; }

void ServerExchange::refuse_peer() noexcept { take(wrong); }

Action ServerExchange::take(Event event) noexcept {
  const Action action = step(server_table, state_, error_, event);
  if (action == confirm) confirmed_ = true;
  return action;
}

Action ServerExchange::feed(ByteView octets) noexcept {
  if (state_ != S::hello) return none;
  for (const std::uint8_t octet : octets) {
    const std::uint64_t at = consumed_++;
    if (at == hello_size || (at < magic.size() && octet != magic[at])) return take(wrong);
    opening_[at] = octet;
  }
  return consumed_ == hello_size ? take(whole) : none;
}

std::array<ByteView, 3> ServerExchange::head() const noexcept { return {opening_, bytes_of(message_), data_length_}; }

ClientExchange::ClientExchange(const Nonce& nonce, Limits limits) noexcept
    : hello_{make_hello(nonce)}, limits_{limits} {}

Action ClientExchange::on(Event event) noexcept { return event < whole ? take(event) : none; }

void ClientExchange::refuse_peer() noexcept { take(wrong); }

Action ClientExchange::take(Event event) noexcept { return step(client_table, state_, error_, event); }

std::size_t ClientExchange::feed(ByteView octets) {
  const std::size_t size = octets.size();
  // Each field takes what it can; a field that is not complete has taken everything.
  for (C before{}; !octets.empty() && before != state_;) {
    before = state_;
    const std::size_t left = octets.size();
    if (state_ == C::echo) {
      take_echo(octets);
    } else if (state_ == C::message_length) {
      take_message_length(octets);
    } else if (state_ == C::message) {
      take_message(octets);
    } else if (state_ == C::data_length) {
      take_data_length(octets);
    }
    consumed_ += left - octets.size();
  }
  return size - octets.size();
}

std::uint64_t ClientExchange::needed() const noexcept {
  switch (state_) {
    case C::echo:
      return hello_size - have_;
    case C::message_length:
      return message_length_size - have_;
    case C::message:
      return message_length_ - message_.size();
    case C::data_length:
      return data_length_size - have_;
    case C::data:
      return data_left_;
    default:
      return 0;
  }
}

Action ClientExchange::arrived(std::uint64_t count) noexcept {
  data_left_ -= count;
  consumed_ += count;
  return data_left_ == 0 ? take(whole) : none;
}

void ClientExchange::delivered() noexcept {
  if (state_ == C::data && data_left_ == 0) state_ = C::done;
}

void ClientExchange::take_echo(ByteView& octets) noexcept {
  while (!octets.empty() && have_ < hello_size) {
    const bool same = octets[0] == hello_[have_++];
    octets = octets.subspan(1);
    if (!same) {
      take(wrong);
      return;
    }
  }
  if (have_ < hello_size) return;
  have_ = 0;
  take(whole);
}

/// Takes the bytes of a length of `size` bytes from `octets`. Returns the length when it is complete; field_ is then
/// ready for the next one.
std::optional<std::uint64_t> ClientExchange::take_length(ByteView& octets, std::size_t size) noexcept {
  const std::size_t count = std::min(octets.size(), size - have_);
  std::ranges::copy(octets.first(count), field_.begin() + static_cast<std::ptrdiff_t>(have_));
  octets = octets.subspan(count);
  have_ += count;
  if (have_ < size) return std::nullopt;
  have_ = 0;
  return decode_length(ByteView{field_}.first(size));
}

void ClientExchange::take_message_length(ByteView& octets) noexcept {
  const std::optional<std::uint64_t> length = take_length(octets, message_length_size);
  if (!length) return;
  message_length_ = *length;
  take(message_length_ > limits_.message ? over : whole);
  if (message_length_ == 0) take(whole);  // an empty field is complete
}

void ClientExchange::take_message(ByteView& octets) {
  const std::size_t count = std::min<std::uint64_t>(octets.size(), message_length_ - message_.size());
  message_.append(reinterpret_cast<const char*>(octets.data()), count);
  octets = octets.subspan(count);
  if (message_.size() == message_length_) take(is_utf8(bytes_of(message_)) ? whole : wrong);
}

void ClientExchange::take_data_length(ByteView& octets) noexcept {
  const std::optional<std::uint64_t> length = take_length(octets, data_length_size);
  if (!length) return;
  data_length_ = data_left_ = *length;
  take(data_length_ > limits_.data ? over : whole);
}

}  // namespace kcom5
