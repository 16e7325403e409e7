// An output file: the data of an exchange, or its message. Spec: "Files".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "kcom5/wire.hpp"
#include "passing_name.hpp"
#include "system.hpp"
#include "waits.hpp"

namespace kcom5 {

/// A new file in a folder, named `.kcom5-` and six random characters.
system::Descriptor create_temporary(int folder, std::string& name, std::error_code& ec);

/// An output, opened once. A regular file, or one that does not exist yet, appears under its name complete or not at
/// all: write(), complete(), publish(). Anything else is written in place, and keeps what was written before a failure.
///
/// The destructor removes the file, unless it was published. Every wait is bounded by T. Functions throw Failure with
/// the name that the caller gave.
class Output {
 public:
  /// The file at a path; links are followed, but not those of other users in shared folders. `no_clobber`: an existing
  /// regular file is `io`.
  Output(const std::filesystem::path& path, bool no_clobber, const Waits& waits);
  /// A descriptor of the caller's, which stays open.
  Output(int descriptor, std::string name, const Waits& waits);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(ByteView bytes);
  /// Call it when everything is written. Throws the error of a late write.
  void complete();
  /// Gives the file its name.
  void publish();
  /// Removes the file again if publish() made its name.
  void withdraw() noexcept;

  [[nodiscard]] const Waits& waits() const noexcept { return waits_; }
  [[nodiscard]] const std::string& name() const noexcept { return shown_; }
  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
  [[nodiscard]] bool is_regular() const noexcept { return is_regular_; }
  /// How many bytes were written in place.
  [[nodiscard]] std::uint64_t in_place() const noexcept { return in_place_; }
  /// Records that the kernel wrote `written` bytes to the descriptor.
  void count(std::size_t written) noexcept { in_place_ += is_in_place_ ? written : 0; }

 private:
  void open(std::string path);
  void open_descriptor(int descriptor);
  void open_temporary(const system::FileStatus& target);
  void open_in_place(const system::FileStatus& target);
  void check_trusted(const system::FileStatus& status) const;
  void wait_writable() const;
  void copy_into_target();
  [[noreturn]] void fail_exists() const;
  void check(const std::error_code& ec) const;

  const Waits& waits_;
  std::string shown_;  // the name that the caller gave
  bool no_clobber_ = false;
  system::Descriptor folder_;
  std::string name_;                    // in the folder, links followed
  std::string temporary_;               // the name until it is published, if it has one
  std::optional<PassingName> passing_;  // removes `temporary_`
  system::Descriptor file_;
  std::uint32_t mode_ = 0;  // of the file that is replaced
  bool is_replacing_ = false;
  bool is_new_ = false;  // publish() made the name
  bool is_in_place_ = false;
  std::uint64_t in_place_ = 0;
  bool is_regular_ = false;              // takes every write at once
  std::size_t most_at_once_ = SIZE_MAX;  // bytes of one write, so that it does not block
};

}  // namespace kcom5
