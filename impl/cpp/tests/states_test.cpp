// The state tables of the spec and of the code are the same, cell by cell.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "kcom5/exchange.hpp"

namespace kcom5::test {
namespace {

using Cells = std::map<std::pair<std::string, std::string>, std::string>;  // (state, event) to what the cell says

const std::vector<std::string> events{"connected",    "refused", "more",      "whole", "wrong",   "over",    "sent",
                                      "acknowledged", "end",     "early-end", "reset", "timeout", "failure", "cancel"};
const std::vector<std::string> server_states{"listening",  "hello",    "sending", "half-closed",
                                             "confirming", "draining", "done",    "failed"};
const std::vector<std::string> client_states{"connecting",  "echo", "message-length", "message",
                                             "data-length", "data", "done",           "failed"};
const std::vector<std::string> actions{"",          "send hello; ", "send echo and frame; ", "half-close; ",
                                       "confirm; ", "deliver; "};

std::string trim(const std::string& text) {
  const std::size_t from = text.find_first_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in{line.substr(1)};
  for (std::string cell; std::getline(in, cell, '|');) cells.push_back(trim(cell));
  return cells;
}

/// The table that follows `<!-- states: role -->`.
Cells from_spec(const std::string& role) {
  std::ifstream in{KCOM5_SPEC};
  std::string line;
  while (std::getline(in, line) && line != "<!-- states: " + role + " -->") continue;
  std::getline(in, line);
  const std::vector<std::string> head = cells_of(line);
  std::getline(in, line);
  Cells table;
  while (std::getline(in, line) && line.starts_with('|')) {
    const std::vector<std::string> cells = cells_of(line);
    EXPECT_EQ(cells.size(), head.size()) << line;
    for (std::size_t i = 1; i < cells.size() && i < head.size(); ++i) table[{cells[0], head[i]}] = cells[i];
  }
  return table;
}

/// The exchange in a state, by the events that lead there.
ServerExchange in_state(ServerState state) {
  using enum Event;
  static const std::map<ServerState, std::vector<Event>> ways{
      {ServerState::listening, {}},
      {ServerState::hello, {connected}},
      {ServerState::sending, {connected, whole}},
      {ServerState::half_closed, {connected, whole, end}},
      {ServerState::confirming, {connected, whole, sent}},
      {ServerState::draining, {connected, whole, sent, early_end}},
      {ServerState::done, {connected, whole, sent, end}},
      {ServerState::failed, {timeout}},
  };
  ServerExchange exchange{"", 0};
  for (const Event event : ways.at(state)) exchange.on(event);
  return exchange;
}

ClientExchange in_state(ClientState state) {
  ClientExchange exchange{Nonce{}};
  if (state == ClientState::failed) exchange.on(Event::refused);
  if (state == ClientState::connecting || state == ClientState::failed) return exchange;
  exchange.on(Event::connected);
  while (exchange.state() != state) {
    if (exchange.on(Event::whole) == Action::deliver) exchange.delivered();
  }
  return exchange;
}

/// What the exchange does in each state with each event.
template <class State>
Cells from_code(const std::vector<std::string>& states) {
  Cells table;
  for (std::size_t state = 0; state < states.size(); ++state) {
    for (std::size_t event = 0; event < events.size(); ++event) {
      auto exchange = in_state(static_cast<State>(state));
      EXPECT_EQ(exchange.state(), static_cast<State>(state));
      const std::optional<Error> before = exchange.error();
      const Action action = exchange.on(static_cast<Event>(event));
      if constexpr (std::is_same_v<State, ClientState>) {
        // Delivering is an action with an end of its own.
        if (action == Action::deliver) {
          EXPECT_EQ(exchange.state(), ClientState::data);
          exchange.delivered();
        }
      }
      std::string& cell = table[{states[state], events[event]}];
      if (exchange.error() != before) {
        EXPECT_EQ(action, Action::none);
        EXPECT_EQ(exchange.state(), State::failed);
        cell = "`" + std::string{name(*exchange.error())} + "`";
      } else if (action == Action::none && exchange.state() == static_cast<State>(state)) {
        cell = "–";
      } else {
        cell = actions.at(static_cast<std::size_t>(action)) + states.at(static_cast<std::size_t>(exchange.state()));
      }
    }
  }
  return table;
}

TEST(States, OfTheServerAreThoseOfTheSpec) {
  Cells spec = from_spec("server");
  EXPECT_EQ(spec.size(), server_states.size() * 12);
  // The table has no columns for the events of fields that a server does not have, and of connecting.
  for (const std::string& state : server_states) spec[{state, "refused"}] = spec[{state, "over"}] = "–";
  EXPECT_EQ(from_code<ServerState>(server_states), spec);
}

TEST(States, OfTheClientAreThoseOfTheSpec) {
  Cells spec = from_spec("client");
  EXPECT_EQ(spec.size(), client_states.size() * 11);
  for (const std::string& state : client_states) {
    for (const char* const event : {"sent", "acknowledged", "early-end"}) spec[{state, event}] = "–";
  }
  EXPECT_EQ(from_code<ClientState>(client_states), spec);
}

TEST(States, SuccessIsConfirmedByTheCellThatSaysSoAlone) {
  using enum Event;
  const auto ended_by = [](const std::vector<Event>& way) {
    ServerExchange exchange{"", 0};
    for (const Event event : way) exchange.on(event);
    EXPECT_EQ(exchange.state(), ServerState::done);
    return exchange.confirmed();
  };
  EXPECT_TRUE(ended_by({connected, whole, sent, end}));
  EXPECT_FALSE(ended_by({connected, whole, sent, early_end, acknowledged}));
  EXPECT_FALSE(ended_by({connected, whole, end, sent, acknowledged}));
}

TEST(States, DeliveringThatFailsIsNoSuccess) {
  for (const Event event : {Event::failure, Event::cancel}) {
    ClientExchange exchange = in_state(ClientState::data);
    exchange.delivered();  // of no data: everything is there
    EXPECT_EQ(exchange.state(), ClientState::done);
    exchange = in_state(ClientState::data);
    EXPECT_EQ(exchange.on(Event::whole), Action::deliver);
    exchange.on(event);
    exchange.delivered();
    EXPECT_EQ(exchange.state(), ClientState::failed);
    EXPECT_EQ(exchange.error(), Error::io);
  }
}

}  // namespace
}  // namespace kcom5::test
