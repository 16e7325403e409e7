// Signals that ask the program to end: the running call is cancelled, which cleans up.
#pragma once

#include <atomic>

#include "kcom5/kcom5.hpp"

namespace kcom5::cli {

/// Thrown where no call of the library runs.
struct Interrupted {};

/// Starts to handle signals.
void start_signals() noexcept;

/// The signal that came, or 0.
int caught_signal() noexcept;

/// Whether a signal came; waits check it.
const std::atomic<bool>& is_interrupted() noexcept;

/// Throws Interrupted if a signal came.
void check_interrupted();

/// While it exists, the signal handler cancels this server or client. If a signal came before, it is cancelled at once.
class Running {
 public:
  explicit Running(Server& server);
  explicit Running(Client& client);
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

}  // namespace kcom5::cli
