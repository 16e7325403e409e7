// Sources of the data: memory, a file, a descriptor. Spec: `file.size`.
//
// Nothing here knows sockets or the protocol. Functions throw Failure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "block.hpp"
#include "kcom5/wire.hpp"
#include "system.hpp"
#include "waits.hpp"

namespace kcom5 {

/// Data to send, in its order.
class Source {
 public:
  explicit Source(std::uint64_t size = 0) noexcept : size_{size} {}
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// How many bytes next() returns in total.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// The next bytes, valid until the next call; empty at the end.
  virtual ByteView next() = 0;
  /// A file with the bytes that next() would return, from its position on, so that the kernel can send them. `none`:
  /// call next().
  [[nodiscard]] virtual int file() const noexcept { return system::none; }
  /// Records that the kernel sent the next `count` bytes.
  virtual void skip(std::uint64_t /*count*/) noexcept {}

 protected:
  std::uint64_t size_;
};

class MemorySource final : public Source {
 public:
  /// next() returns the first `first` bytes, then the rest.
  MemorySource(ByteView bytes, std::size_t first) noexcept
      : Source{bytes.size()}, first_{bytes.first(first)}, rest_{bytes.subspan(first)} {}
  ByteView next() override { return std::exchange(first_, std::exchange(rest_, {})); }

 private:
  ByteView first_;
  ByteView rest_;
};

/// The folder of the spool: the caller's, else the user's, else the system's.
std::filesystem::path folder_of_spool(const std::filesystem::path& spool_dir);

/// A file, or the rest of a descriptor. A file with a true size is read as it is sent. Anything else is first copied to
/// an unnamed file, the spool.
class FileSource final : public Source {
 public:
  FileSource(const std::filesystem::path& path, const std::filesystem::path& spool_dir, const Waits& waits);
  /// The descriptor stays open; `name` is for error texts.
  FileSource(int descriptor, std::string name, const std::filesystem::path& spool_dir, const Waits& waits);
  ByteView next() override;
  [[nodiscard]] int file() const noexcept override { return by_system_ && given_ < size_ ? descriptor_ : system::none; }
  void skip(std::uint64_t count) noexcept override { given_ += count; }

 private:
  void prepare(const std::filesystem::path& spool_dir, const Waits& waits, std::size_t count);
  std::size_t wait_for_writer(const Waits& waits);
  void spool(const std::filesystem::path& spool_dir, const Waits& waits, std::size_t count, bool is_regular);
  std::size_t read_some(std::span<std::uint8_t> room, const Waits* waits);

  std::string name_;
  system::Descriptor opened_;  // the file, or the spool
  int descriptor_;
  std::uint64_t given_ = 0;
  bool by_system_ = true;  // between the first next(), which goes with the head, and the second
  Block block_;
};

}  // namespace kcom5
