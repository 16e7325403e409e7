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
const std::map<std::string, Event> callers_events{{"connected", Event::connected},
                                                  {"refused", Event::refused},
                                                  {"sent", Event::sent},
                                                  {"end", Event::end},
                                                  {"acknowledged", Event::acknowledged},
                                                  {"early-end", Event::early_end},
                                                  {"reset", Event::reset},
                                                  {"timeout", Event::timeout},
                                                  {"failure", Event::failure},
                                                  {"cancel", Event::cancel}};
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

const std::string hello = "KCOM5abc";
constexpr Limits limits{2, 2};

void feed(ServerExchange& exchange, const std::string& bytes) { exchange.feed(bytes_of(bytes)); }
void feed(ClientExchange& exchange, const std::string& bytes) { exchange.feed(bytes_of(bytes)); }

/// The exchange in a state, by what leads there.
ServerExchange in_state(ServerState state) {
  using enum Event;
  static const std::map<ServerState, std::vector<Event>> after_hello{
      {ServerState::sending, {}},        {ServerState::half_closed, {end}},
      {ServerState::confirming, {sent}}, {ServerState::draining, {sent, early_end}},
      {ServerState::done, {sent, end}},
  };
  ServerExchange exchange{"", 0};
  if (state == ServerState::failed) exchange.on(timeout);
  if (state == ServerState::listening || state == ServerState::failed) return exchange;
  exchange.on(connected);
  if (state == ServerState::hello) return exchange;
  feed(exchange, hello);
  for (const Event event : after_hello.at(state)) exchange.on(event);
  return exchange;
}

const std::map<ClientState, std::string> fields{
    {ClientState::echo, hello},
    {ClientState::message_length, {"\2\0\0\0", 4}},
    {ClientState::message, "hi"},
    {ClientState::data_length, {"\2\0\0\0\0\0\0\0", 8}},
};

ClientExchange in_state(ClientState state) {
  ClientExchange exchange{Nonce{'a', 'b', 'c'}, limits};
  if (state == ClientState::failed) exchange.on(Event::refused);
  if (state == ClientState::connecting || state == ClientState::failed) return exchange;
  exchange.on(Event::connected);
  for (const auto& [before, field] : fields) {
    if (before < state) feed(exchange, field);
  }
  if (state == ClientState::done) {
    exchange.arrived(2);
    exchange.delivered();
  }
  return exchange;
}

/// Makes a server's machine make one of its own events, by bytes, if it can in this state.
Action give(ServerExchange& exchange, const std::string& event) {
  if (event == "more") feed(exchange, "K");
  if (event == "whole") return exchange.feed(bytes_of(hello));
  return Action::none;
}

/// The same for a client's.
Action give(ClientExchange& exchange, const std::string& event) {
  const ClientState state = exchange.state();
  const bool is_length = state == ClientState::message_length || state == ClientState::data_length;
  if (event == "over") {
    if (is_length) feed(exchange, std::string(exchange.needed(), '\xff'));
    return Action::none;
  }
  const std::uint64_t count = event == "more" ? 1 : exchange.needed();
  if (state == ClientState::data) return exchange.arrived(count);
  if (fields.contains(state)) feed(exchange, fields.at(state).substr(0, count));
  return Action::none;
}

/// What the exchange does in each state with each event.
template <class State>
Cells from_code(const std::vector<std::string>& states) {
  const std::vector<std::string> own{"more", "whole", "over"};
  Cells table;
  for (std::size_t state = 0; state < states.size(); ++state) {
    for (const std::string& event : events) {
      auto exchange = in_state(static_cast<State>(state));
      EXPECT_EQ(exchange.state(), static_cast<State>(state));
      const std::optional<Error> before = exchange.error();
      Action action = Action::none;
      if (event == "wrong") {
        exchange.refuse_peer();
      } else if (std::ranges::find(own, event) != own.end()) {
        action = give(exchange, event);
      } else {
        action = exchange.on(callers_events.at(event));
      }
      if constexpr (std::is_same_v<State, ClientState>) {
        // Delivering is an action with an end of its own.
        if (action == Action::deliver) {
          EXPECT_EQ(exchange.state(), ClientState::data);
          exchange.delivered();
        }
      }
      std::string& cell = table[{states[state], event}];
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

TEST(States, ACallerCannotGiveTheEventsOfTheMachine) {
  for (int event = static_cast<int>(Event::cancel) + 1; event < 256; ++event) {
    ServerExchange server = in_state(ServerState::hello);
    EXPECT_EQ(server.on(static_cast<Event>(event)), Action::none);
    EXPECT_EQ(server.state(), ServerState::hello);
    ClientExchange client = in_state(ClientState::message_length);
    EXPECT_EQ(client.on(static_cast<Event>(event)), Action::none);
    EXPECT_EQ(client.state(), ClientState::message_length);
  }
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

TEST(States, DeliveringThatFailsIsNoSuccess) {
  for (const Event event : {Event::failure, Event::cancel}) {
    ClientExchange exchange = in_state(ClientState::data);
    exchange.delivered();  // too early
    EXPECT_EQ(exchange.state(), ClientState::data);
    EXPECT_EQ(exchange.arrived(2), Action::deliver);
    exchange.on(event);
    exchange.delivered();
    EXPECT_EQ(exchange.state(), ClientState::failed);
    EXPECT_EQ(exchange.error(), Error::io);
  }
}

}  // namespace
}  // namespace kcom5::test
