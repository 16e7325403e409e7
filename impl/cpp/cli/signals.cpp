// See signals.hpp.
#include "signals.hpp"

#include "platform.hpp"

namespace kcom5::cli {
namespace {

std::atomic<int> caught{0};
std::atomic<bool> has_caught{false};
std::atomic<Server*> running_server{nullptr};
std::atomic<Client*> running_client{nullptr};

void cancel() noexcept {
  if (Server* const server = running_server) server->cancel();
  if (Client* const client = running_client) client->cancel();
}

extern "C" void on_signal(int number) {
  caught = number;
  has_caught = true;
  cancel();
  end_soon(128 + number);
}

}  // namespace

void start_signals() noexcept { catch_signals(on_signal); }

int caught_signal() noexcept { return caught; }

const std::atomic<bool>& is_interrupted() noexcept { return has_caught; }

void check_interrupted() {
  if (caught != 0) throw Interrupted{};
}

Running::Running(Server& server) {
  running_server = &server;
  if (caught != 0) cancel();
}

Running::Running(Client& client) {
  running_client = &client;
  if (caught != 0) cancel();
}

Running::~Running() {
  running_server = nullptr;
  running_client = nullptr;
}

}  // namespace kcom5::cli
