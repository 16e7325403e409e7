// Where the data comes from and where it goes: memory, files, descriptors. Constant memory, but for data in memory.
//
// Nothing here knows sockets or the protocol. Everything throws Failure.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "kcom5/buffer.hpp"
#include "kcom5/wire.hpp"
#include "system.hpp"

namespace kcom5 {

/// Memory through which octets go that the system cannot move by itself; none before it is needed.
class Block {
 public:
  /// Room for at most `most` octets, of memory that is made at the first call, for at most so many.
  std::span<std::uint8_t> room(std::uint64_t most);
  [[nodiscard]] Octets first(std::size_t count) const noexcept { return {octets_.get(), count}; }

 private:
  std::unique_ptr<std::uint8_t[]> octets_;
  std::size_t size_ = 0;
};

/// Data to send, in its order.
class Source {
 public:
  explicit Source(std::uint64_t size = 0) noexcept : size_{size} {}
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// How many octets next() gives in all.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// The next octets; they live until the next call. No octets: the end.
  virtual Octets next() = 0;
  /// A file whose octets, from its position on, are those that next() would give: the system may send them itself.
  /// None: call next().
  [[nodiscard]] virtual int file() const noexcept { return system::none; }
  /// The system sent the next `count` octets.
  virtual void skip(std::uint64_t /*count*/) noexcept {}

 protected:
  std::uint64_t size_;
};

class MemorySource final : public Source {
 public:
  /// At first it gives `first` octets of them, then the rest.
  MemorySource(Octets octets, std::size_t first) noexcept
      : Source{octets.size()}, first_{octets.first(first)}, rest_{octets.subspan(first)} {}
  Octets next() override { return std::exchange(first_, std::exchange(rest_, {})); }

 private:
  Octets first_;
  Octets rest_;
};

/// What a descriptor still has. A file is read as it is sent; anything else is first copied to a file without a name.
class DescriptorSource final : public Source {
 public:
  /// `name` is for error texts; `cancelled` ends the copying.
  DescriptorSource(int descriptor, std::string name, const std::atomic<bool>& cancelled);
  Octets next() override;
  [[nodiscard]] int file() const noexcept override { return by_system_ && given_ < size_ ? descriptor_ : system::none; }
  void skip(std::uint64_t count) noexcept override { given_ += count; }

 private:
  void spool(const std::atomic<bool>& cancelled);

  int descriptor_;
  std::string name_;
  system::Descriptor copy_;
  std::uint64_t given_ = 0;
  bool by_system_ = true;  // between the first next(), which goes with the head, and the second
  Block block_;
};

/// Data as it arrives.
class Sink {
 public:
  Sink() = default;
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// Memory for the next octets: at least one, at most `most`.
  virtual std::span<std::uint8_t> room(std::uint64_t most) = 0;
  /// A pipe for the next octets, of which `most` are to come; none: call room().
  virtual int pipe(std::uint64_t /*most*/) noexcept { return system::none; }
  /// The first `count` octets of room() have arrived.
  virtual void filled(std::size_t count) = 0;
  /// So many octets have arrived in pipe(); none: the system cannot fill a pipe.
  virtual void piped(std::size_t /*count*/) {}
  /// All has arrived.
  virtual void finish() {}
};

class MemorySink final : public Sink {
 public:
  std::span<std::uint8_t> room(std::uint64_t most) override;
  void filled(std::size_t count) override { buffer_.filled(count); }
  Buffer take() noexcept { return std::move(buffer_); }

 private:
  Buffer buffer_;
};

class DescriptorSink : public Sink {
 public:
  DescriptorSink(int descriptor, std::string name, const std::atomic<bool>& cancelled);
  std::span<std::uint8_t> room(std::uint64_t most) override;
  int pipe(std::uint64_t most) noexcept override;
  void filled(std::size_t count) override;
  void piped(std::size_t count) override;

 private:
  int descriptor_;
  std::string name_;
  const std::atomic<bool>& cancelled_;
  system::Pipe pipe_;
  bool by_system_ = true;
  Block block_;
};

/// A file that gets its name when it is complete, and is removed otherwise.
class FileSink final : public Sink {
 public:
  FileSink(const std::filesystem::path& path, const std::atomic<bool>& cancelled);
  std::span<std::uint8_t> room(std::uint64_t most) override { return to_.room(most); }
  int pipe(std::uint64_t most) noexcept override { return to_.pipe(most); }
  void filled(std::size_t count) override { to_.filled(count); }
  void piped(std::size_t count) override { to_.piped(count); }
  void finish() override;

 private:
  /// Removes the file, unless it was renamed and the path cleared.
  struct Temporary {
    std::filesystem::path path;
    ~Temporary();
  };

  system::Descriptor open(const std::filesystem::path& path);

  std::filesystem::path path_;  // links followed
  Temporary temporary_;         // without a path if path_ is written to directly
  system::Descriptor file_;
  DescriptorSink to_;
};

}  // namespace kcom5
