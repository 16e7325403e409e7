// The C++ core behind the three functions of kcom5_fuzz.h.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "kcom5/address.hpp"
#include "kcom5/exchange.hpp"
#include "kcom5_fuzz.h"

namespace {

using kcom5::ByteView;
using kcom5::Event;

struct {
  kcom5::Address value;
  std::error_code error;
  std::string packed;
} address;

struct {
  std::optional<kcom5::ClientExchange> exchange;
  std::vector<std::uint8_t> data;
  bool has_sent = false;
} client;

struct {
  std::optional<kcom5::ServerExchange> exchange;
  std::optional<kcom5::Error> refused;  // before there was an exchange
  kcom5_octets data{};
  std::vector<std::uint8_t> sent;
  bool has_half_closed = false;
} server;

kcom5_octets pointer_to(ByteView octets) { return {octets.data(), octets.size()}; }

std::string_view text_of(ByteView octets) { return {reinterpret_cast<const char*>(octets.data()), octets.size()}; }

/// An error code that a caller left from an earlier call; the core must overwrite it.
std::error_code stale() { return kcom5::Error::io; }

void unpack(std::string_view text) {
  address.error = stale();
  address.value = kcom5::unpack(text, address.error);
  if (address.error) return;
  const auto groups = static_cast<std::size_t>(std::ranges::count(text, '.'));
  std::error_code error;
  address.packed = kcom5::pack(address.value.port, ByteView{address.value.key}.first(groups), error);
}

void pack(ByteView octets) {
  std::int64_t port;
  std::memcpy(&port, octets.data(), sizeof port);
  address.error = stale();
  address.packed = kcom5::pack(static_cast<int>(port), octets.subspan(sizeof port), address.error);
  const std::error_code& code = address.error;
  if (code && (std::strcmp(code.category().name(), "kcom5") != 0 || code.message().empty())) std::abort();
}

/// KCOM5_WRONG_PEER is not an event of the core, which must ignore it.
template <class Exchange>
kcom5::Action tell(Exchange& exchange, kcom5_event event) {
  static_assert(static_cast<int>(Event::connected) == KCOM5_CONNECTED &&
                static_cast<int>(Event::cancel) == KCOM5_CANCEL);
  const kcom5::Action action = exchange.on(static_cast<Event>(event));
  if (event == KCOM5_WRONG_PEER) exchange.refuse_peer();
  return action;
}

void feed_client(kcom5_event event, ByteView octets) {
  if (event != KCOM5_OCTETS) {
    client.has_sent |= tell(*client.exchange, event) == kcom5::Action::send_hello;
    return;
  }
  octets = octets.subspan(client.exchange->feed(octets));
  if (client.exchange->state() == kcom5::ClientState::data) {
    octets = octets.first(std::min<std::uint64_t>(octets.size(), client.exchange->needed()));
    client.data.insert(client.data.end(), octets.begin(), octets.end());
    if (!octets.empty()) client.exchange->arrived(octets.size());
  }
  client.exchange->delivered();  // does nothing before everything has arrived
}

void feed_server(kcom5_event event, ByteView octets) {
  if (event != KCOM5_OCTETS) {
    server.has_half_closed |= tell(*server.exchange, event) == kcom5::Action::half_close;
    return;
  }
  if (server.exchange->feed(octets) != kcom5::Action::send_frame) return;
  for (const ByteView piece : server.exchange->head())
    server.sent.insert(server.sent.end(), piece.begin(), piece.end());
  if (server.data.at) server.sent.insert(server.sent.end(), server.data.at, server.data.at + server.data.size);
}

void name(kcom5::Error error, kcom5_result& result) {
  constexpr const char* families[] = {"usage", "transport", "protocol"};
  result.error = kcom5::name(error).data();
  result.family = families[static_cast<int>(kcom5::family(error))];
}

template <class Exchange>
void describe(const Exchange& exchange, kcom5_result& result) {
  if (exchange.error()) name(*exchange.error(), result);
  result.consumed = exchange.consumed();
}

}  // namespace

void kcom5_reset(kcom5_role role, const kcom5_setting* setting) {
  if (role == KCOM5_CLIENT) {
    const kcom5::Nonce nonce{setting->nonce[0], setting->nonce[1], setting->nonce[2]};
    kcom5::Limits limits;
    if (setting->message_limit != UINT64_MAX) limits.message = setting->message_limit;
    if (setting->data_limit != UINT64_MAX) limits.data = setting->data_limit;
    client.exchange.emplace(nonce, limits);
    client.data.clear();
    client.has_sent = false;
    if (!setting->is_connecting) feed_client(KCOM5_CONNECTED, {});
  } else if (role == KCOM5_SERVER) {
    const ByteView message{setting->message.at, setting->message.size};
    server.exchange.reset();
    server.sent.clear();
    server.has_half_closed = false;
    server.data = setting->data;
    server.refused = kcom5::check_message(message);
    if (server.refused) return;
    server.exchange.emplace(text_of(message), server.data.size);
    if (!setting->is_connecting) feed_server(KCOM5_CONNECTED, {});
  }
}

void kcom5_feed(kcom5_role role, kcom5_event event, const std::uint8_t* octets, std::size_t size) {
  const ByteView bytes{octets, size};
  if (role == KCOM5_ADDRESS) {
    unpack(text_of(bytes));
  } else if (role == KCOM5_PACK) {
    pack(bytes);
  } else if (role == KCOM5_CLIENT) {
    feed_client(event, bytes);
  } else if (server.exchange) {
    feed_server(event, bytes);
  }
}

void kcom5_outcome(kcom5_role role, kcom5_result* result) {
  *result = {};
  if (role == KCOM5_CLIENT) {
    describe(*client.exchange, *result);
    result->needed = client.exchange->needed();
    if (client.has_sent) result->sent = pointer_to(client.exchange->hello());
    result->done = client.exchange->state() == kcom5::ClientState::done;
    if (result->done) {
      const ByteView message = kcom5::bytes_of(client.exchange->message());
      result->message = {message.data(), static_cast<std::size_t>(client.exchange->message_length())};
      result->data = pointer_to(client.data);
      result->data_length = client.exchange->data_length();
    }
  } else if (role != KCOM5_SERVER) {
    result->done = !address.error;
    if (address.error) name(static_cast<kcom5::Error>(address.error.value()), *result);
    result->message = pointer_to(kcom5::bytes_of(address.packed));
    result->data = pointer_to(address.value.key);
    result->port = address.value.port;
  } else if (server.exchange) {
    describe(*server.exchange, *result);
    result->sent = pointer_to(server.sent);
    result->done = server.exchange->state() == kcom5::ServerState::done;
    result->has_half_closed = server.has_half_closed;
    result->is_confirmed = server.exchange->confirmed();
  } else {
    name(*server.refused, *result);
  }
}
