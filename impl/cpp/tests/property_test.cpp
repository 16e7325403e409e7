// Properties of the core, tried with random inputs.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kcom5/address.hpp"
#include "kcom5/exchange.hpp"

namespace kcom5::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr Nonce nonce{1, 2, 3};

rc::Gen<Bytes> key() {
  return rc::gen::mapcat(rc::gen::element<std::size_t>(1, 2, 3, 4, 6, 8, 12, 16, 24, 48), [](std::size_t size) {
    return rc::gen::container<Bytes>(size, rc::gen::arbitrary<std::uint8_t>());
  });
}

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

struct End {
  ClientState state;
  std::optional<Error> error;
  std::uint64_t offset;
  std::string message;
  Bytes data;
  bool operator==(const End&) const = default;
};

/// Feeds `stream` in pieces that end at `cuts`, and looks at every step that it makes progress.
End feed(const Bytes& stream, std::vector<std::size_t> cuts, Limits limits = {}) {
  ClientExchange client{nonce, limits};
  client.on(Event::connected);
  cuts.push_back(stream.size());
  std::ranges::sort(cuts);
  Bytes data;
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    ByteView piece = ByteView{stream}.subspan(from, cut - from);
    from = cut;
    const ClientState before = client.state();
    const std::size_t used = client.feed(piece);
    RC_ASSERT(used <= piece.size());
    RC_ASSERT(used == piece.size() || client.state() >= ClientState::data);
    RC_ASSERT(client.state() >= before);
    RC_ASSERT(client.message().capacity() <= std::max<std::size_t>(64, 2 * stream.size()));
    piece = piece.subspan(used);
    if (client.state() != ClientState::data) continue;
    piece = piece.first(std::min<std::uint64_t>(piece.size(), client.needed()));
    data.insert(data.end(), piece.begin(), piece.end());
    client.arrived(piece.size());
    client.delivered();
  }
  return {client.state(), client.error(), client.consumed(), client.message(), data};
}

std::vector<std::size_t> cuts_in(const Bytes& stream) {
  return *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, stream.size() + 1));
}

std::string text() {
  // Characters of one to four octets.
  const auto characters = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("a", "\x01", "é", "\u07ff", "가", "\uffff", "🔑", "\U0010ffff"));
  std::string result;
  for (const std::string& character : characters) result += character;
  return result;
}

RC_GTEST_PROP(Address, UnpackGivesBackWhatPackTook, ()) {
  const int port = *rc::gen::inRange(1, 65536);
  const Bytes octets = *key();
  std::error_code ec;
  const Address address = unpack(pack(port, octets, ec), ec);
  RC_ASSERT(!ec);
  RC_ASSERT(address.port == port);
  for (std::size_t i = 0; i < key_size; ++i) RC_ASSERT(address.key[i] == octets[i % octets.size()]);
}

RC_GTEST_PROP(Address, WhatUnpackAcceptsPacksToItsCanonicalForm, ()) {
  std::error_code ec;
  std::string canonical = pack(*rc::gen::inRange(1, 65536), *key(), ec);
  std::string given = canonical;
  for (char& c : given) {
    if (*rc::gen::arbitrary<bool>()) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  const Address address = unpack(given, ec);
  RC_ASSERT(!ec);
  const std::size_t size = static_cast<std::size_t>(std::ranges::count(given, '.'));
  RC_ASSERT(pack(address.port, ByteView{address.key}.first(size), ec) == canonical);
}

RC_GTEST_PROP(Address, OneChangedCharacterIsRefusedOrMeansSomethingElse, ()) {
  std::error_code ec;
  const std::string before = pack(*rc::gen::inRange(1, 65536), *key(), ec);
  std::string after = before;
  after[*rc::gen::inRange<std::size_t>(0, after.size())] = *rc::gen::arbitrary<char>();
  const Address first = unpack(before, ec);
  const Address second = unpack(after, ec);
  const auto lower = [](std::string s) {
    std::ranges::transform(s, s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return s;
  };
  if (!ec && lower(after) != before) RC_ASSERT(first.port != second.port || first.key != second.key);
}

RC_GTEST_PROP(Exchange, TheClientGetsWhatTheServerGaveHoweverItIsCut, ()) {
  const std::string message = text();
  const Bytes data = *rc::gen::arbitrary<Bytes>();
  const Bytes stream = stream_of(message, data);
  const End end = feed(stream, cuts_in(stream));
  RC_ASSERT(end.state == ClientState::done);
  RC_ASSERT(end.message == message);
  RC_ASSERT(end.data == data);
  RC_ASSERT(end.offset == stream.size());
}

RC_GTEST_PROP(Exchange, AnyOctetsCutAnywhereEndAsTheWhole, ()) {
  Bytes stream = stream_of(text(), *rc::gen::arbitrary<Bytes>());
  const auto changes = *rc::gen::inRange(0, 3);
  for (int i = 0; i < changes; ++i)
    stream[*rc::gen::inRange<std::size_t>(0, stream.size())] = *rc::gen::arbitrary<std::uint8_t>();
  const Limits limits{.message = *rc::gen::inRange<std::uint64_t>(0, 200),
                      .data = *rc::gen::inRange<std::uint64_t>(0, 200)};
  RC_ASSERT(feed(stream, cuts_in(stream), limits) == feed(stream, {}, limits));
}

RC_GTEST_PROP(Exchange, AClientThatReadsWhatIsNeededReadsNothingPastTheEnd, ()) {
  const std::string message = text();
  const Bytes data = *rc::gen::arbitrary<Bytes>();
  Bytes stream = stream_of(message, data);
  const std::size_t size = stream.size();
  stream.push_back(0);
  ClientExchange client{nonce};
  client.on(Event::connected);
  std::size_t at = 0;
  while (const std::uint64_t needed = client.needed()) {
    const std::size_t count = *rc::gen::inRange<std::size_t>(1, needed + 1);
    RC_ASSERT(at + count <= size);
    if (client.state() == ClientState::data) {
      client.arrived(count);
    } else {
      RC_ASSERT(client.feed(ByteView{stream}.subspan(at, count)) == count);
    }
    at += count;
  }
  RC_ASSERT(client.state() == ClientState::data);
  client.delivered();
  RC_ASSERT(client.state() == ClientState::done);
  RC_ASSERT(at == size);
}

RC_GTEST_PROP(Exchange, NoOctetIsSentUnlessTheHelloWasOne, ()) {
  Bytes hello = *rc::gen::arbitrary<Bytes>();
  const std::size_t right = *rc::gen::inRange<std::size_t>(0, 10);
  for (std::size_t i = 0; i < std::min({right, magic.size(), hello.size()}); ++i) hello[i] = magic[i];
  ServerExchange server{"", 0};
  server.on(Event::connected);
  Bytes seen;
  for (const std::uint8_t octet : hello) {
    const Action action = server.feed({&octet, 1});
    seen.push_back(octet);
    const bool is_hello = seen.size() == hello_size && std::equal(magic.begin(), magic.end(), seen.begin());
    RC_ASSERT((action == Action::send_frame) == is_hello);
  }
}

RC_GTEST_PROP(Lengths, AreReadAsTheyAreWritten, (std::uint64_t value)) {
  RC_ASSERT(decode_length(encode_length<8>(value)) == value);
  RC_ASSERT(decode_length(encode_length<4>(value)) == (value & max_message_size));
}

}  // namespace
}  // namespace kcom5::test
