// The C++ core behind the three functions of kcom5_fuzz.h.
#include <algorithm>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "kcom5/address.hpp"
#include "kcom5/exchange.hpp"
#include "kcom5_fuzz.h"

namespace {

using kcom5::ByteView;

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
  ByteView data;
  std::vector<std::uint8_t> sent;
} server;

kcom5_octets pointer_to(ByteView octets) { return {octets.data(), octets.size()}; }

ByteView octets_at(const kcom5_octets& octets) { return {octets.at, octets.size}; }

kcom5::Event event_of(kcom5_event event) {
  switch (event) {
    case KCOM5_SENT:
      return kcom5::Event::sent;
    case KCOM5_END:
      return kcom5::Event::end;
    case KCOM5_RESET:
      return kcom5::Event::reset;
    case KCOM5_ACKNOWLEDGED:
      return kcom5::Event::acknowledged;
    case KCOM5_EARLY_END:
      return kcom5::Event::early_end;
    default:
      return kcom5::Event::timeout;
  }
}

void unpack(std::string_view text) {
  address.value = kcom5::unpack(text, address.error);
  if (address.error) return;
  const auto groups = static_cast<std::size_t>(std::ranges::count(text, '.'));
  std::error_code error;
  address.packed = kcom5::pack(address.value.port, ByteView{address.value.key}.first(groups), error);
}

void feed_client(ByteView octets) {
  octets = octets.subspan(client.exchange->feed(octets));
  if (client.exchange->state() != kcom5::ClientState::data) return;
  octets = octets.first(std::min<std::uint64_t>(octets.size(), client.exchange->needed()));
  client.data.insert(client.data.end(), octets.begin(), octets.end());
  if (!octets.empty()) client.exchange->arrived(octets.size());
  client.exchange->delivered();
}

void feed_server(ByteView octets) {
  if (server.exchange->feed(octets) != kcom5::Action::send_frame) return;
  for (const ByteView piece : server.exchange->head())
    server.sent.insert(server.sent.end(), piece.begin(), piece.end());
  server.sent.insert(server.sent.end(), server.data.begin(), server.data.end());
}

template <class Exchange>
void tell(const Exchange& exchange, kcom5_result& result) {
  if (exchange.error()) result.error = kcom5::name(*exchange.error()).data();
  result.consumed = exchange.consumed();
}

}  // namespace

void kcom5_reset(kcom5_role role, const kcom5_setting* setting) {
  if (role == KCOM5_CLIENT) {
    const kcom5::Nonce nonce{setting->nonce[0], setting->nonce[1], setting->nonce[2]};
    client.exchange.emplace(nonce, kcom5::Limits{setting->message_limit, setting->data_limit});
    client.data.clear();
    client.has_sent = client.exchange->on(kcom5::Event::connected) == kcom5::Action::send_hello;
  } else if (role == KCOM5_SERVER) {
    server.exchange.reset();
    server.sent.clear();
    server.data = octets_at(setting->data);
    const ByteView message = octets_at(setting->message);
    server.refused = kcom5::check_message(message);
    if (server.refused) return;
    server.exchange.emplace(std::string_view{reinterpret_cast<const char*>(message.data()), message.size()},
                            server.data.size());
    server.exchange->on(kcom5::Event::connected);
  }
}

void kcom5_feed(kcom5_role role, kcom5_event event, const std::uint8_t* octets, std::size_t size) {
  if (role == KCOM5_ADDRESS) {
    unpack({reinterpret_cast<const char*>(octets), size});
  } else if (role == KCOM5_CLIENT) {
    if (event == KCOM5_OCTETS) {
      feed_client({octets, size});
    } else {
      client.exchange->on(event_of(event));
    }
  } else if (server.exchange) {
    if (event == KCOM5_OCTETS) {
      feed_server({octets, size});
    } else {
      server.exchange->on(event_of(event));
    }
  }
}

void kcom5_outcome(kcom5_role role, kcom5_result* result) {
  *result = {};
  if (role == KCOM5_ADDRESS) {
    result->done = !address.error;
    if (address.error) {
      result->error = kcom5::name(static_cast<kcom5::Error>(address.error.value())).data();
    } else {
      result->message = pointer_to(kcom5::bytes_of(address.packed));
      result->data = pointer_to(address.value.key);
    }
  } else if (role == KCOM5_CLIENT) {
    tell(*client.exchange, *result);
    if (client.has_sent) result->sent = pointer_to(client.exchange->hello());
    result->done = client.exchange->state() == kcom5::ClientState::done;
    if (result->done) {
      result->message = pointer_to(kcom5::bytes_of(client.exchange->message()));
      result->data = pointer_to(client.data);
    }
  } else if (server.exchange) {
    tell(*server.exchange, *result);
    result->sent = pointer_to(server.sent);
    result->done = server.exchange->state() == kcom5::ServerState::done;
  } else {
    result->error = kcom5::name(*server.refused).data();
  }
}
