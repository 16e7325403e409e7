// See passing_name.hpp.
#include "passing_name.hpp"

#include <array>
#include <atomic>

namespace kcom5 {
namespace {

/// An exchange has at most three names: those of socket, data and message. Only its destructor removes a name that
/// finds no slot.
constinit std::array<std::atomic<const PassingName*>, 16> names{};
static_assert(std::atomic<const PassingName*>::is_always_lock_free, "a signal handler reads it");

}  // namespace

PassingName::PassingName(int folder, const std::string& name, const std::optional<system::FileId>& id) noexcept
    : folder_{folder}, name_{name}, id_{id} {
  for (std::atomic<const PassingName*>& place : names) {
    const PassingName* free = nullptr;
    if (place.compare_exchange_strong(free, this)) return;
  }
}

PassingName::~PassingName() {
  if (!is_kept_) remove();
  for (std::atomic<const PassingName*>& place : names) {
    const PassingName* self = this;
    if (place.compare_exchange_strong(self, nullptr)) return;
  }
}

void PassingName::keep() noexcept { is_kept_ = true; }

void PassingName::remove() const noexcept {
  if (id_) {
    std::error_code ec;
    if (const system::FileStatus found = system::look(folder_, name_, ec); ec || found.id != *id_) return;
  }
  (void)system::remove(folder_, name_);  // a destructor cannot report it
}

void PassingName::remove_all() noexcept {
  for (const std::atomic<const PassingName*>& place : names) {
    if (const PassingName* const name = place; name != nullptr && !name->is_kept_) name->remove();
  }
}

}  // namespace kcom5
