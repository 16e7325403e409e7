// The C++ core's peer: runs numbered inputs through the core and answers with digests. What it is asked: README.md.
#include "peer.hpp"

#include <algorithm>
#include <exception>
#include <iostream>
#include <map>
#include <sstream>

#include "kcom5/address.hpp"
#include "kcom5/exchange.hpp"

namespace kcom5_differential {
namespace {

constexpr kcom5::Nonce nonce{0xaa, 0xbb, 0xcc};
constexpr std::uint8_t not_ended = outcomes.size() - 1;
enum Flag : std::uint8_t { hello_sent = 1, half_closed = 2, asked_wrongly = 4 };

const std::map<std::string, kcom5::Event> events = {{"connected", kcom5::Event::connected},
                                                    {"refused", kcom5::Event::refused},
                                                    {"sent", kcom5::Event::sent},
                                                    {"end", kcom5::Event::end},
                                                    {"reset", kcom5::Event::reset},
                                                    {"timeout", kcom5::Event::timeout},
                                                    {"failure", kcom5::Event::failure},
                                                    {"cancel", kcom5::Event::cancel},
                                                    {"acknowledged", kcom5::Event::acknowledged},
                                                    {"early-end", kcom5::Event::early_end}};

/// The place of the error in the spec's table, which is by families: of its name, if its family is right, too. The code
/// made of it has to be one for people.
std::uint8_t outcome_of(std::error_code code) {
  const auto error = static_cast<kcom5::Error>(code.value());
  const std::string_view name = kcom5::name(error);
  const auto at =
      std::ranges::find(outcomes, name, [](const auto& row) { return std::string_view{row.first}; }) - outcomes.begin();
  if (at < 1 || at >= not_ended ||
      static_cast<int>(kcom5::family(error)) != outcomes[static_cast<std::size_t>(at)].second ||
      code.category().name() != std::string_view{"kcom5"} || code.message().empty()) {
    throw std::runtime_error("an error that the spec does not have: " + std::string(name));
  }
  return static_cast<std::uint8_t>(at);
}

/// What a caller's code held before the call is not for the core to keep.
std::error_code stale() { return kcom5::Error::io; }

void add(Bytes& record, std::uint64_t value, int size) {
  for (; size > 0; --size, value >>= 8) record.push_back(static_cast<std::uint8_t>(value));
}

void add(Bytes& record, kcom5::ByteView octets) { record.insert(record.end(), octets.begin(), octets.end()); }

void add(Bytes& record, std::string_view text) { add(record, kcom5::bytes_of(text)); }

void unpack(const Input& input, Bytes& record) {
  std::error_code error = stale();
  const std::string_view text{reinterpret_cast<const char*>(input.octets.data()), input.octets.size()};
  const kcom5::Address address = kcom5::unpack(text, error);
  record.push_back(error ? outcome_of(error) : std::uint8_t{0});
  if (error) return;
  add(record, static_cast<std::uint64_t>(address.port), 2);
  add(record, kcom5::ByteView{address.key});
  const auto groups = static_cast<std::size_t>(std::ranges::count(text, '.'));
  add(record, kcom5::pack(address.port, kcom5::ByteView{address.key}.first(groups), error));
}

void pack(const Input& input, Bytes& record) {
  std::error_code error = stale();
  const std::string text = kcom5::pack(static_cast<int>(input.port), input.octets, error);
  record.push_back(error ? outcome_of(error) : std::uint8_t{0});
  add(record, text);
}

std::uint8_t check(kcom5::ByteView message) {
  const auto error = kcom5::check_message(message);
  return error ? outcome_of(*error) : std::uint8_t{0};
}

/// Gives octets, and keeps those of the data. How many were taken.
std::size_t feed(kcom5::ClientExchange& exchange, kcom5::ByteView octets, Bytes& data) {
  const std::size_t taken = exchange.feed(octets);
  if (exchange.state() != kcom5::ClientState::data) return taken;
  const kcom5::ByteView rest =
      octets.subspan(taken).first(std::min<std::uint64_t>(octets.size() - taken, exchange.needed()));
  add(data, rest);
  if (!rest.empty()) exchange.arrived(rest.size());
  exchange.delivered();
  return taken + rest.size();
}

/// Gives octets field by field: one octet, then as many as the field still needs, until it needs no more. Whether each
/// piece was taken, and the last of a field was its last.
bool feed_as_asked(kcom5::ClientExchange& exchange, kcom5::ByteView octets, Bytes& data) {
  bool is_first = true;
  while (!octets.empty()) {
    const kcom5::ClientState before = exchange.state();
    const std::uint64_t needed = exchange.needed();
    if (needed == 0) return before >= kcom5::ClientState::done;
    const kcom5::ByteView piece = octets.first(std::min<std::uint64_t>(is_first ? 1 : needed, octets.size()));
    const std::size_t taken = feed(exchange, piece, data);
    if (exchange.error()) return true;
    if (taken != piece.size()) return false;
    octets = octets.subspan(taken);
    is_first = exchange.state() != before;
    if (is_first != (taken == needed)) return false;
  }
  return true;
}

/// Gives an event; `wrong` is a peer of another user.
template <class Exchange>
kcom5::Action tell(Exchange& exchange, const std::string& event) {
  if (event != "wrong") return exchange.on(events.at(event));
  exchange.refuse_peer();
  return kcom5::Action::none;
}

void receive(const Input& input, Bytes& record) {
  kcom5::ClientExchange exchange{nonce, {input.message_limit, input.data_limit}};
  std::uint8_t flags = 0;
  Bytes data;
  const auto take = [&](const std::string& event) {
    if (tell(exchange, event) != kcom5::Action::send_hello) return;
    if (exchange.hello() == kcom5::make_hello(nonce)) flags |= hello_sent;
  };
  if (!input.start.empty()) take(input.start);
  for (const Act& act : input.acts) {
    if (!act.event.empty()) {
      take(act.event);
      continue;
    }
    if (!act.is_asked) {
      feed(exchange, act.octets, data);
    } else if (!feed_as_asked(exchange, act.octets, data)) {
      flags |= asked_wrongly;
    }
  }
  const bool is_done = exchange.state() == kcom5::ClientState::done;
  record.push_back(is_done ? std::uint8_t{0} : exchange.error() ? outcome_of(*exchange.error()) : not_ended);
  record.push_back(flags);
  add(record, input.has_offset ? exchange.consumed() : 0, 4);
  if (is_done) {
    add(record, exchange.message().size(), 4);
    add(record, exchange.message());
    add(record, exchange.data_length(), 8);
    add(record, kcom5::ByteView{data});
  } else if (!exchange.error()) {
    add(record, exchange.needed(), 8);
  }
}

void serve(const Input& input, Bytes& record) {
  if (const std::uint8_t refused = check(input.octets)) {
    record.push_back(refused);
    return;
  }
  const std::string_view message{reinterpret_cast<const char*>(input.octets.data()), input.octets.size()};
  kcom5::ServerExchange exchange{message, input.data_size};
  std::uint8_t flags = 0;
  Bytes sent;
  if (!input.start.empty()) tell(exchange, input.start);
  for (const Act& act : input.acts) {
    if (!act.event.empty()) {
      if (tell(exchange, act.event) == kcom5::Action::half_close) flags |= half_closed;
    } else if (exchange.feed(act.octets) == kcom5::Action::send_frame) {
      for (const kcom5::ByteView piece : exchange.head()) add(sent, piece);
    }
  }
  record.push_back(exchange.state() == kcom5::ServerState::done ? std::uint8_t{0}
                   : exchange.error()                           ? outcome_of(*exchange.error())
                                                                : not_ended);
  record.push_back(flags);
  add(record, input.has_offset ? exchange.consumed() : 0, 4);
  add(record, sent.size(), 4);
  add(record, kcom5::ByteView{sent});
}

void run(const Input& input, Bytes& record) {
  switch (input.role) {
    case 'u':
      return unpack(input, record);
    case 'p':
      return pack(input, record);
    case 'm':
      return record.push_back(check(input.octets));
    case 'l': {
      const std::uint8_t octet = 0;  // the only one that is there: none is to be looked at
      return record.push_back(check({&octet, static_cast<std::size_t>(input.data_size)}));
    }
    case 'c':
      return receive(input, record);
    default:
      return serve(input, record);
  }
}

/// CRC-32, as in zlib: Python and Go have it in their libraries.
class Checksum {
 public:
  Checksum() {
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
      table_[i] = value;
    }
  }
  void add(const std::uint8_t* octets, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) state_ = state_ >> 8 ^ table_[(state_ ^ octets[i]) & 255];
  }
  [[nodiscard]] std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = ~std::uint32_t{0};
  std::uint32_t table_[256];
};

void digest(const std::string& set, std::uint64_t seed, std::uint64_t first, std::uint64_t count) {
  Checksum checksum;
  std::uint64_t counts[outcomes.size()] = {};
  Bytes record;
  for (std::uint64_t index = first; index < first + count; ++index) {
    if (set == "utf8") {  // four thousand million of them: no time for an Input
      const std::uint8_t octets[] = {static_cast<std::uint8_t>(index >> 24), static_cast<std::uint8_t>(index >> 16),
                                     static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index)};
      const std::uint8_t outcome = check(octets);
      checksum.add(&outcome, 1);
      ++counts[outcome];
      continue;
    }
    record.clear();
    run(input_of(set, seed, index), record);
    checksum.add(record.data(), record.size());
    ++counts[record[0]];
  }
  std::cout << std::hex << checksum.value() << std::dec;
  for (const std::uint64_t number : counts) std::cout << ' ' << number;
  std::cout << std::endl;
}

void show(const Input& input) {
  Bytes record;
  run(input, record);
  std::cout << words_of(input) << " => " << outcomes.at(record[0]).first << ' ';
  for (const std::uint8_t octet : record) std::cout << "0123456789abcdef"[octet >> 4] << "0123456789abcdef"[octet & 15];
  std::cout << std::endl;
}

}  // namespace

const std::array<std::uint64_t, 2> default_limits = {kcom5::Limits{}.message, kcom5::Limits{}.data};

}  // namespace kcom5_differential

int main() {
  using namespace kcom5_differential;
  try {
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words{line};
      std::string verb, name;
      std::uint64_t seed = 0, first = 0, count = 0;
      words >> verb >> name >> seed >> first >> count;
      if (verb == "load") {
        load(line.substr(5));
        std::cout << size_of("replay") << std::endl;
      } else if (verb == "size") {
        std::cout << size_of(name) << std::endl;
      } else if (verb == "digest") {
        digest(name, seed, first, count);
      } else if (verb == "show") {
        show(input_of(name, seed, first));
      } else {
        throw std::runtime_error("no such question: " + line);
      }
    }
  } catch (const std::exception& error) {
    std::cerr << "peer: " << error.what() << std::endl;
    return 1;
  }
}
