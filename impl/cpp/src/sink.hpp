// Destinations of the data: memory, or a file with constant memory.
//
// Nothing here knows sockets or the protocol. Functions throw Failure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "block.hpp"
#include "kcom5/buffer.hpp"
#include "output.hpp"
#include "system.hpp"

namespace kcom5 {

/// A destination for data as it arrives.
class Sink {
 public:
  Sink() = default;
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// Memory for the next bytes: at least one, at most `most`.
  virtual std::span<std::uint8_t> room(std::uint64_t most) = 0;
  /// Records that the first `count` bytes of room() arrived.
  virtual void filled(std::size_t count) = 0;
  /// A pipe for the next bytes, of which `most` are to come, or `none`: call room().
  virtual int pipe(std::uint64_t /*most*/) { return system::none; }
  /// Records that `count` bytes arrived in pipe(); 0: the kernel cannot fill a pipe.
  virtual void piped(std::size_t /*count*/) {}
  /// The file that the data goes to; null: none.
  virtual Output* output() noexcept { return nullptr; }
};

class MemorySink final : public Sink {
 public:
  std::span<std::uint8_t> room(std::uint64_t most) override;
  void filled(std::size_t count) override { buffer_.filled(count); }
  Buffer take() noexcept { return std::move(buffer_); }

 private:
  Buffer buffer_;
};

class FileSink final : public Sink {
 public:
  /// `output` outlives the sink.
  explicit FileSink(Output& output) noexcept : output_{output} {}
  std::span<std::uint8_t> room(std::uint64_t most) override { return block_.room(most); }
  void filled(std::size_t count) override { output_.write(block_.first(count)); }
  int pipe(std::uint64_t most) override;
  void piped(std::size_t count) override;
  Output* output() noexcept override { return &output_; }

 private:
  Output& output_;
  system::Pipe pipe_;
  bool by_system_ = true;
  Block block_;
};

}  // namespace kcom5
