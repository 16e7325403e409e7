// Replays every vector through the core, without a socket, in all the ways of vectors/README.md.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <variant>

#include "kcom5/address.hpp"
#include "kcom5/failure.hpp"
#include "vectors.hpp"

namespace kcom5::test {
namespace {

constexpr Nonce nonce{0xaa, 0xbb, 0xcc};

/// Memory that ends where the process may not read: a core that looks one octet too far dies.
class GuardPage {
 public:
  GuardPage() {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const memory = ::mmap(nullptr, size_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc{};
    end_ = static_cast<std::uint8_t*>(memory) + size_;
    if (::mprotect(end_, page, PROT_NONE) != 0) throw std::bad_alloc{};
  }

  /// The octets, moved so that they end at the guard; or where they are, if they are too many.
  ByteView put(ByteView octets) {
    if (octets.size() > size_) return octets;
    std::uint8_t* const at = end_ - octets.size();
    if (!octets.empty()) std::memcpy(at, octets.data(), octets.size());
    return {at, octets.size()};
  }

 private:
  std::size_t size_ = std::size_t{128} << 10;
  std::uint8_t* end_ = nullptr;
};

GuardPage& guard() {
  static GuardPage instance;
  return instance;
}

/// What the peer does, as a core sees it.
using Input = std::variant<Bytes, Event>;

struct Way {
  enum Kind { as_given, whole, octet_by_octet, cut, trailing } kind = as_given;
  std::size_t at = 0;
};

void flush(std::vector<Bytes>& run, const Way& way, std::vector<Input>& inputs) {
  Bytes all;
  for (const Bytes& piece : run) all.insert(all.end(), piece.begin(), piece.end());
  const auto cut = [&](std::size_t at) { return all.begin() + static_cast<std::ptrdiff_t>(at); };
  if (way.kind == Way::as_given) {
    inputs.insert(inputs.end(), run.begin(), run.end());
  } else if (way.kind == Way::octet_by_octet) {
    const std::size_t singles = std::min<std::size_t>(all.size(), 4096);
    for (std::size_t i = 0; i < singles; ++i) inputs.emplace_back(Bytes{all[i]});
    if (singles < all.size()) inputs.emplace_back(Bytes(cut(singles), all.end()));
  } else if (way.kind == Way::cut && way.at < all.size()) {
    inputs.emplace_back(Bytes(all.begin(), cut(way.at)));
    inputs.emplace_back(Bytes(cut(way.at), all.end()));
  } else if (!all.empty()) {
    inputs.emplace_back(all);
  }
  run.clear();
}

/// A conversation, with the octets of each step for the nonce of these tests.
struct Resolved {
  explicit Resolved(const Conversation& conversation) : c{conversation} {
    for (const Step& step : c.steps) {
      octets.push_back(resolve(step.octets, nonce));
      if (step.name == "expect") output.insert(output.end(), octets.back().begin(), octets.back().end());
    }
  }

  const Conversation& c;
  std::vector<Bytes> octets;
  Bytes output;  ///< What the implementation has to send.
};

std::vector<Input> script(const Resolved& resolved, const Way& way) {
  const Conversation& c = resolved.c;
  std::vector<Input> inputs;
  std::vector<Bytes> run;
  std::size_t last_run_end = 0;
  for (std::size_t i = 0; i < c.steps.size(); ++i) {
    const Step& step = c.steps[i];
    if (step.name == "send") {
      run.push_back(resolved.octets[i]);
      continue;
    }
    if (step.name == "pause" || step.name == "connect") continue;
    if (!run.empty()) {
      flush(run, way, inputs);
      last_run_end = inputs.size();
    }
    if (c.is_server && step.name.starts_with("expect")) inputs.emplace_back(Event::sent);
    if (step.name == "half-close" || step.name == "close") inputs.emplace_back(Event::end);
    if (step.name == "reset") inputs.emplace_back(Event::reset);
    if (step.name == "stall") inputs.emplace_back(Event::timeout);
  }
  if (!run.empty()) {
    flush(run, way, inputs);
    last_run_end = inputs.size();
  }
  if (c.is_server) inputs.emplace_back(Event::sent);
  if (way.kind == Way::trailing && last_run_end > 0) {
    Bytes& last = std::get<Bytes>(inputs[last_run_end - 1]);
    last.insert(last.end(), {0x00, 0xff, 0x4b});
  }
  return inputs;
}

struct Result {
  std::string error;
  bool confirmed = false;
  std::uint64_t offset = 0;
  Bytes output;
  std::string message;
  Bytes data;
};

Result serve(const Conversation& c, const std::vector<Input>& inputs) {
  Result result;
  if (const std::optional<Error> error = check_message(bytes_of(c.message))) {
    result.error = name(*error);
    return result;
  }
  ServerExchange exchange{c.message, c.data.size()};
  if (c.setup != "nobody") exchange.on(Event::connected);
  for (const Input& input : inputs) {
    const bool is_octets = std::holds_alternative<Bytes>(input);
    const bool is_sending = exchange.state() == ServerState::sending || exchange.state() == ServerState::half_closed;
    const Action action =
        is_octets ? exchange.feed(guard().put(std::get<Bytes>(input))) : exchange.on(std::get<Event>(input));
    if (is_sending && !is_octets && std::get<Event>(input) == Event::sent) {
      EXPECT_EQ(action, Action::half_close);
      exchange.on(Event::acknowledged);
    }
    if (action != Action::send_frame) continue;
    for (const ByteView piece : exchange.head()) result.output.insert(result.output.end(), piece.begin(), piece.end());
    result.output.insert(result.output.end(), c.data.begin(), c.data.end());
  }
  result.confirmed = exchange.confirmed();
  result.offset = exchange.consumed();
  if (exchange.error()) {
    result.error = name(*exchange.error());
  } else if (exchange.state() != ServerState::done) {
    result.error = "not ended";
  }
  return result;
}

Result receive(const Conversation& c, const std::vector<Input>& inputs) {
  Result result;
  ClientExchange exchange{nonce, c.limits};
  if (c.setup == "nobody") {
    exchange.on(Event::refused);
  } else {
    EXPECT_EQ(exchange.on(Event::connected), Action::send_hello);
    result.output.assign(exchange.hello().begin(), exchange.hello().end());
  }
  for (const Input& input : inputs) {
    if (const Event* const event = std::get_if<Event>(&input)) {
      exchange.on(*event);
      continue;
    }
    ByteView octets = guard().put(std::get<Bytes>(input));
    octets = octets.subspan(exchange.feed(octets));
    if (exchange.state() != ClientState::data) continue;
    octets = octets.first(std::min<std::uint64_t>(octets.size(), exchange.needed()));
    result.data.insert(result.data.end(), octets.begin(), octets.end());
    const Action action = exchange.arrived(octets.size());
    EXPECT_EQ(action == Action::deliver, exchange.needed() == 0);
    EXPECT_EQ(exchange.state(), ClientState::data);
    exchange.delivered();
    EXPECT_EQ(action == Action::deliver, exchange.state() == ClientState::done);
  }
  result.offset = exchange.consumed();
  result.message = exchange.message();
  if (exchange.error()) {
    result.error = name(*exchange.error());
  } else if (exchange.state() != ClientState::done) {
    result.error = "not ended";
  }
  return result;
}

void expect_outcome(const Resolved& resolved, const Way& way) {
  const Conversation& c = resolved.c;
  SCOPED_TRACE(c.id + ", way " + std::to_string(way.kind) + " at " + std::to_string(way.at));
  const std::vector<Input> inputs = script(resolved, way);
  const Result result = c.is_server ? serve(c, inputs) : receive(c, inputs);
  EXPECT_EQ(result.error, c.outcome.error);
  const bool is_looked_at =
      c.is_server || std::ranges::any_of(c.steps, [](const Step& s) { return s.name == "expect"; });
  if (is_looked_at) {
    EXPECT_EQ(result.output, resolved.output);
  }
  if (c.outcome.confirmed) {
    EXPECT_EQ(result.confirmed, *c.outcome.confirmed);
  }
  if (c.outcome.ok && !c.is_server) {
    EXPECT_EQ(result.message, c.outcome.message);
    EXPECT_TRUE(result.data == c.outcome.data);
  }
  if (c.outcome.at) {
    EXPECT_EQ(result.offset, *c.outcome.at);
  }
}

/// Whether octets after the last run change nothing: no end of the peer follows that they would come before.
bool may_trail(const Conversation& c) {
  bool has_ended = false;
  bool may = true;
  for (const Step& step : c.steps) {
    if (step.name == "send") {
      has_ended = false;
      may = true;
    }
    if (step.name == "expect-end") has_ended = true;
    if (step.name == "half-close" || step.name == "reset" || step.name == "stall") may = false;
    if (step.name == "close" && !has_ended) may = false;
  }
  return may;
}

TEST(Vectors, EveryConversationEndsAsItSaysHoweverItIsCut) {
  for (const Conversation& c : conversations()) {
    if (c.live) continue;
    count_replayed(c.rule);
    const Resolved resolved{c};
    expect_outcome(resolved, {Way::as_given});
    if (c.fixed) continue;
    expect_outcome(resolved, {Way::whole});
    const std::size_t size = joined(c.steps).size();
    if (size > std::size_t{1} << 20) continue;
    expect_outcome(resolved, {Way::octet_by_octet});
    for (std::size_t at = 1; at <= std::min<std::size_t>(64, size); ++at) expect_outcome(resolved, {Way::cut, at});
    if (!c.is_server && may_trail(c)) expect_outcome(resolved, {Way::trailing});
  }
}

TEST(Vectors, EveryRowOfPackAndUnpackIsTrue) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.id);
    count_replayed(row.rule);
    std::error_code ec;
    if (row.json.at("op") == "pack") {
      const Bytes key = from_hex(row.json.at("in").at("key"));
      const std::string text = pack(row.json.at("in").at("port"), guard().put(key), ec);
      EXPECT_EQ(text, row.json.value("out", ""));
    } else if (row.json.at("op") == "message") {
      // The size alone decides: the octets, which are not there, are not looked at.
      const std::uint8_t octet = 0;
      const std::size_t size = row.json.at("in").at("size");
      if (const std::optional<Error> error = check_message({&octet, size})) ec = *error;
    } else {
      const std::string in = row.json.at("in");
      const ByteView text = guard().put(bytes_of(in));
      const Address address = unpack({reinterpret_cast<const char*>(text.data()), text.size()}, ec);
      if (row.json.contains("out")) {
        EXPECT_EQ(address.port, row.json.at("out").at("port"));
        const Bytes key = from_hex(row.json.at("out").at("key"));
        EXPECT_TRUE(std::ranges::equal(address.key, key));
      }
    }
    EXPECT_EQ(ec ? name(error_of(ec)) : "", row.json.value("error", ""));
  }
}

TEST(Message, LongerThanItsLengthFieldCanSayIsTooLong) {
  // The octets are not there: of a message that is too long none is looked at, of the longest the first decides.
  const std::uint8_t ill_formed = 0xff;
  EXPECT_EQ(check_message({&ill_formed, std::size_t{max_message_size} + 1}), Error::message_too_long);
  EXPECT_EQ(check_message({&ill_formed, max_message_size}), Error::message_not_utf8);
}

TEST(Address, PackSaysNothingOfAnErrorThatWasThereBefore) {
  std::error_code ec = Error::timeout;
  EXPECT_EQ(pack(1, Bytes{0xff}, ec), "1.ff");
  EXPECT_FALSE(ec);
}

TEST(Errors, HaveTheFamilyThatDecidesTheExitCode) {
  EXPECT_EQ(family(Error::invalid_address), Family::usage);
  EXPECT_EQ(family(Error::message_too_long), Family::usage);
  EXPECT_EQ(family(Error::in_use), Family::transport);
  EXPECT_EQ(family(Error::io), Family::transport);
  EXPECT_EQ(family(Error::invalid_connection), Family::protocol);
  EXPECT_EQ(family(Error::unconfirmed), Family::protocol);
}

TEST(Errors, OfTheSystemAreIoAndKeepTheirText) {
  const std::error_code ec = std::make_error_code(std::errc::permission_denied);
  EXPECT_EQ(error_of(ec), Error::io);
  EXPECT_EQ(error_of(make_error_code(Error::truncated)), Error::truncated);
  EXPECT_FALSE(make_error_code(Error::truncated).message().empty());
}

TEST(Exchange, AfterItsEndNothingChangesIt) {
  for (int number = 0; number < 256; ++number) {
    const auto event = static_cast<Event>(number);
    ClientExchange failed{nonce};
    failed.on(Event::refused);
    EXPECT_EQ(failed.on(event), Action::none);
    EXPECT_EQ(failed.state(), ClientState::failed);
    EXPECT_EQ(failed.error(), Error::refused);
    const Bytes octets{0x4b};
    EXPECT_EQ(failed.feed(octets), 0U);
  }
}

}  // namespace
}  // namespace kcom5::test
