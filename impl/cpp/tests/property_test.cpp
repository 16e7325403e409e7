// Properties of the core, tried with random inputs, of which a failing one is shrunk.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "kcom5/address.hpp"
#include "kcom5/exchange.hpp"

namespace kcom5::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr Nonce nonce{1, 2, 3};

/// All that a server writes.
Bytes stream_of(const std::string& message, const Bytes& data) {
  ServerExchange server{message, data.size()};
  server.on(Event::connected);
  server.feed(make_hello(nonce));
  Bytes stream;
  for (const ByteView piece : server.head()) stream.insert(stream.end(), piece.begin(), piece.end());
  stream.insert(stream.end(), data.begin(), data.end());
  return stream;
}

/// The end of a client that gets `stream` in pieces that end at `cuts`.
auto end_of(const Bytes& stream, std::vector<std::size_t> cuts, Limits limits = {}) {
  ClientExchange client{nonce, limits};
  client.on(Event::connected);
  cuts.push_back(stream.size());
  std::ranges::sort(cuts);
  Bytes data;
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    ByteView piece = ByteView{stream}.subspan(from, cut - from);
    from = cut;
    const std::size_t used = client.feed(piece);
    RC_ASSERT(used == piece.size() || client.state() >= ClientState::data);
    piece = piece.subspan(used);
    if (client.state() != ClientState::data) continue;
    piece = piece.first(std::min<std::uint64_t>(piece.size(), client.needed()));
    data.insert(data.end(), piece.begin(), piece.end());
    client.arrived(piece.size());
    client.delivered();
  }
  return std::tuple{client.state(), client.error(), client.consumed(), client.message(), data};
}

std::vector<std::size_t> cuts_in(const Bytes& stream) {
  return *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, stream.size() + 1));
}

/// Characters of one to four bytes.
std::string text() {
  const auto characters = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("a", "\x01", "é", "\u07ff", "가", "\uffff", "🔑", "\U0010ffff"));
  std::string result;
  for (const std::string& character : characters) result += character;
  return result;
}

RC_GTEST_PROP(Address, UnpackGivesBackWhatPackTook, ()) {
  const int port = *rc::gen::inRange(1, 65536);
  const auto size = *rc::gen::element<std::size_t>(1, 2, 3, 4, 6, 8, 12, 16, 24, 48);
  const Bytes octets = *rc::gen::container<Bytes>(size, rc::gen::arbitrary<std::uint8_t>());
  std::error_code ec;
  const Address address = unpack(pack(port, octets, ec), ec);
  RC_ASSERT(!ec);
  RC_ASSERT(address.port == port);
  for (std::size_t i = 0; i < key_size; ++i) RC_ASSERT(address.key[i] == octets[i % size]);
}

RC_GTEST_PROP(Exchange, TheClientGetsWhatTheServerGaveHoweverItIsCut, ()) {
  const std::string message = text();
  const Bytes data = *rc::gen::arbitrary<Bytes>();
  const Bytes stream = stream_of(message, data);
  const auto end = end_of(stream, cuts_in(stream));
  RC_ASSERT(end == std::tuple(ClientState::done, std::optional<Error>{}, stream.size(), message, data));
}

RC_GTEST_PROP(Exchange, AnyBytesCutAnywhereEndAsTheWhole, ()) {
  Bytes stream = stream_of(text(), *rc::gen::arbitrary<Bytes>());
  for (int changes = *rc::gen::inRange(0, 3); changes > 0; --changes) {
    stream[*rc::gen::inRange<std::size_t>(0, stream.size())] = *rc::gen::arbitrary<std::uint8_t>();
  }
  const Limits limits{.message = *rc::gen::inRange<std::uint64_t>(0, 200),
                      .data = *rc::gen::inRange<std::uint64_t>(0, 200)};
  RC_ASSERT(end_of(stream, cuts_in(stream), limits) == end_of(stream, {}, limits));
}

}  // namespace
}  // namespace kcom5::test
