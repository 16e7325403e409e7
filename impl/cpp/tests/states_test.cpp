// The state tables of the spec and of the code are the same, cell by cell.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "kcom5/exchange.hpp"

namespace kcom5::test {
namespace {

using Cells = std::map<std::pair<std::string, std::string>, std::string>;  // (state, event) to what the cell says

const std::vector<std::string> events{"connected", "refused", "more",  "whole",   "wrong",  "over",
                                      "sent",      "end",     "reset", "timeout", "failure"};
const std::vector<std::string> server_states{"listening",  "hello", "sending", "half-closed",
                                             "confirming", "done",  "failed"};
const std::vector<std::string> client_states{"connecting",  "echo", "message-length", "message",
                                             "data-length", "data", "done",           "failed"};
const std::vector<std::string> actions{"", "send hello; ", "send echo and frame; ", "half-close; ", "deliver; "};

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

template <class State>
Cells from_code(std::span<const Transition<State>> rows, const std::vector<std::string>& states, const Cells& shape) {
  Cells table;
  for (const auto& [key, cell] : shape) table[key] = "–";
  for (const Transition<State>& row : rows) {
    std::string cell =
        row.error ? "`" + std::string{name(*row.error)} + "`"
                  : actions.at(static_cast<std::size_t>(row.action)) + states.at(static_cast<std::size_t>(row.next));
    table[{states.at(static_cast<std::size_t>(row.state)), events.at(static_cast<std::size_t>(row.event))}] = cell;
  }
  return table;
}

TEST(States, OfTheServerAreThoseOfTheSpec) {
  const Cells spec = from_spec("server");
  EXPECT_EQ(spec.size(), server_states.size() * 9);
  EXPECT_EQ(from_code(server_transitions(), server_states, spec), spec);
}

TEST(States, OfTheClientAreThoseOfTheSpec) {
  const Cells spec = from_spec("client");
  EXPECT_EQ(spec.size(), client_states.size() * 10);
  EXPECT_EQ(from_code(client_transitions(), client_states, spec), spec);
}

/// The machines walk the table: each listed transition is taken, from each state that can be reached.
TEST(States, AreWalkedAsListed) {
  for (const Transition<ServerState>& row : server_transitions()) {
    ServerExchange exchange{"", 0};
    if (row.state != ServerState::listening) exchange.on(Event::connected);
    if (row.state > ServerState::hello) exchange.on(Event::whole);
    if (row.state == ServerState::half_closed) exchange.on(Event::end);
    if (row.state == ServerState::confirming) exchange.on(Event::sent);
    ASSERT_EQ(exchange.state(), row.state);
    EXPECT_EQ(exchange.on(row.event), row.action);
    EXPECT_EQ(exchange.state(), row.next);
    EXPECT_EQ(exchange.error(), row.error);
  }
  for (const Transition<ClientState>& row : client_transitions()) {
    ClientExchange exchange{Nonce{}};
    if (row.state != ClientState::connecting) exchange.on(Event::connected);
    for (int field = static_cast<int>(ClientState::echo); field < static_cast<int>(row.state); ++field)
      exchange.on(Event::whole);
    ASSERT_EQ(exchange.state(), row.state);
    EXPECT_EQ(exchange.on(row.event), row.action);
    EXPECT_EQ(exchange.state(), row.next);
    EXPECT_EQ(exchange.error(), row.error);
  }
}

}  // namespace
}  // namespace kcom5::test
