// A temporary name of a file.
#pragma once

#include <optional>
#include <string>

#include "system.hpp"

namespace kcom5 {

/// The name of a temporary file or of a socket file, removed when this object is destroyed. A process that cannot wait
/// for that calls remove_all().
class PassingName {
 public:
  /// *Requires* the folder and the name to outlive this object. With `id` the name is removed only while it is still
  /// that file's.
  PassingName(int folder, const std::string& name, const std::optional<system::FileId>& id = {}) noexcept;
  ~PassingName();
  PassingName(const PassingName&) = delete;
  PassingName& operator=(const PassingName&) = delete;

  /// Removes nothing any more, because the file has another name by now.
  void keep() noexcept;

  /// Removes every name whose object lives. *Thread-safety*: async-signal-safe; the process must end after it.
  static void remove_all() noexcept;

 private:
  void remove() const noexcept;

  int folder_;
  const std::string& name_;
  std::optional<system::FileId> id_;
  bool is_kept_ = false;
};

}  // namespace kcom5
