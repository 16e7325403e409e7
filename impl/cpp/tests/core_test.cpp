// What no vector shows of the core: its state tables are those of the spec, cell by cell.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "kcom5/exchange.hpp"

namespace kcom5::test {
namespace {

using Words = std::vector<std::string>;

// Each in the order of its enumeration.
const Words actions{"", "send hello; ", "send echo and frame; ", "half-close; ", "confirm; ", "deliver; "};
const Words callers_events{"nothing",   "connected", "refused", "sent",    "acknowledged", "end",
                           "early-end", "reset",     "timeout", "failure", "cancel"};
const Words own_events{"more", "whole", "wrong", "over"};

/// The states in their order, and the events that lead to each.
using Ways = std::vector<std::pair<std::string, Words>>;
const Ways server_ways{
    {"listening", {}},
    {"hello", {"connected"}},
    {"sending", {"connected", "whole"}},
    {"half-closed", {"connected", "whole", "end"}},
    {"confirming", {"connected", "whole", "sent"}},
    {"draining", {"connected", "whole", "sent", "early-end"}},
    {"done", {"connected", "whole", "sent", "end"}},
    {"failed", {"timeout"}},
};
const Ways client_ways{
    {"connecting", {}},
    {"echo", {"connected"}},
    {"message-length", {"connected", "whole"}},
    {"message", {"connected", "whole", "whole"}},
    {"data-length", {"connected", "whole", "whole", "whole"}},
    {"data", {"connected", "whole", "whole", "whole", "whole"}},
    {"done", {"connected", "whole", "whole", "whole", "whole", "whole"}},
    {"failed", {"refused"}},
};

const ServerExchange new_server{"", 0};
const ClientExchange new_client{Nonce{'a', 'b', 'c'}, Limits{2, 2}};

/// Gives the server bytes that make one of the machine's own events, if any can in its state.
Action give(ServerExchange& exchange, const std::string& event) {
  if (event == "over") return Action::none;  // a server has no limits
  return exchange.feed(bytes_of(event == "more" ? "K" : "KCOM5abc"));
}

/// The same for the client, which also delivers, too early after `more`.
Action give(ClientExchange& exchange, const std::string& event) {
  const std::map<ClientState, std::string> fields{{ClientState::echo, "KCOM5abc"},
                                                  {ClientState::message_length, {"\2\0\0\0", 4}},
                                                  {ClientState::message, "hi"},
                                                  {ClientState::data_length, {"\2\0\0\0\0\0\0\0", 8}}};
  const ClientState state = exchange.state();
  const std::uint64_t count = event == "more" ? 1 : exchange.needed();
  if (event == "over") {
    const bool is_length = state == ClientState::message_length || state == ClientState::data_length;
    if (is_length) exchange.feed(bytes_of(std::string(count, '\xff')));
  } else if (state == ClientState::data) {
    const Action action = exchange.arrived(count);
    EXPECT_EQ(exchange.state(), ClientState::data);
    exchange.delivered();
    return action;
  } else if (fields.contains(state)) {
    exchange.feed(bytes_of(fields.at(state)).first(count));
  }
  return Action::none;
}

template <class Exchange>
Action perform(Exchange& exchange, const std::string& event) {
  if (event == "wrong") {
    exchange.refuse_peer();
    return Action::none;
  }
  const auto found = std::ranges::find(callers_events, event);
  if (found == callers_events.end()) return give(exchange, event);
  return exchange.on(static_cast<Event>(found - callers_events.begin()));
}

template <class Exchange>
Exchange after(const Words& events, Exchange exchange) {
  for (const std::string& event : events) perform(exchange, event);
  return exchange;
}

/// The table of the spec: its head, then a row for each state.
std::vector<Words> table_of(const std::string& role) {
  std::ifstream in{KCOM5_SPEC};
  std::string line;
  while (std::getline(in, line) && line != "<!-- states: " + role + " -->") continue;
  std::vector<Words> table;
  while (std::getline(in, line) && line.starts_with('|')) {
    if (line.starts_with("|--")) continue;
    std::istringstream cells{line.substr(1)};
    table.emplace_back();
    // A space stands before and behind what a cell says.
    for (std::string cell; std::getline(cells, cell, '|');) table.back().push_back(cell.substr(1, cell.size() - 2));
  }
  return table;
}

template <class Exchange>
void expect_table(const std::string& role, const Ways& ways, const Exchange& fresh) {
  using State = decltype(fresh.state());
  const std::vector<Words> table = table_of(role);
  ASSERT_EQ(table.size(), 1 + ways.size());
  const Words& head = table[0];
  Words events = callers_events;
  events.insert(events.end(), own_events.begin(), own_events.end());
  for (std::size_t state = 0; state < ways.size(); ++state) {
    const Words& row = table[1 + state];
    ASSERT_EQ(row.size(), head.size());
    EXPECT_EQ(row[0], ways[state].first);
    for (const std::string& event : events) {
      SCOPED_TRACE(role + ": " + event + " in " + row[0]);
      Exchange exchange = after(ways[state].second, fresh);
      EXPECT_EQ(exchange.state(), static_cast<State>(state));
      const std::optional<Error> before = exchange.error();
      const Action action = perform(exchange, event);
      std::string done = actions.at(static_cast<std::size_t>(action));
      if (exchange.error() != before) {
        EXPECT_EQ(exchange.state(), State::failed);
        done += "`" + std::string{name(*exchange.error())} + "`";
      } else if (action == Action::none && exchange.state() == static_cast<State>(state)) {
        done = "–";
      } else {
        done += ways.at(static_cast<std::size_t>(exchange.state())).first;
      }
      const auto column = static_cast<std::size_t>(std::ranges::find(head, event) - head.begin());
      EXPECT_EQ(done, column < head.size() ? row[column] : "–");  // an event without a column does nothing
    }
  }
}

TEST(States, AreThoseOfTheSpec) {
  expect_table("server", server_ways, new_server);
  expect_table("client", client_ways, new_client);
}

TEST(States, KnowNoOtherEventsOfACallerAndNoBytesAfterTheEnd) {
  for (std::size_t number = callers_events.size(); number < 256; ++number) {
    const auto event = static_cast<Event>(number);
    ServerExchange server = after({"connected"}, new_server);
    EXPECT_EQ(server.on(event), Action::none);
    EXPECT_EQ(server.state(), ServerState::hello);
    ClientExchange client = after({"connected", "whole"}, new_client);
    EXPECT_EQ(client.on(event), Action::none);
    EXPECT_EQ(client.state(), ClientState::message_length);
    client.on(Event::end);
    EXPECT_EQ(client.on(event), Action::none);
    EXPECT_EQ(client.error(), Error::truncated);
    EXPECT_EQ(client.feed(bytes_of("K")), 0U);
  }
}

TEST(States, DeliveringThatFailsIsNoSuccess) {
  for (const Event event : {Event::failure, Event::cancel}) {
    ClientExchange exchange = after({"connected", "whole", "whole", "whole", "whole"}, new_client);
    EXPECT_EQ(exchange.arrived(2), Action::deliver);
    exchange.on(event);
    exchange.delivered();
    EXPECT_EQ(exchange.state(), ClientState::failed);
    EXPECT_EQ(exchange.error(), Error::io);
  }
}

TEST(Message, OfTheLargestLengthIsNotTooLong) {
  // Its first byte decides; the others are not there.
  const std::uint8_t ill_formed = 0xff;
  EXPECT_EQ(check_message({&ill_formed, max_message_size}), Error::message_not_utf8);
}

}  // namespace
}  // namespace kcom5::test
