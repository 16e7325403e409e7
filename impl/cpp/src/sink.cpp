// See sink.hpp. Spec: `limit.memory`, `file.whole`.
#include "sink.hpp"

#include <new>

#include "kcom5/failure.hpp"

namespace kcom5 {

std::span<std::uint8_t> MemorySink::room(std::uint64_t most) try {
  return buffer_.room(most);
} catch (const std::bad_alloc&) {
  const std::error_code ec = std::make_error_code(std::errc::not_enough_memory);
  throw Failure{ec, reason(ec) + " after " + std::to_string(buffer_.size()) + " bytes"};
}

int FileSink::pipe(std::uint64_t most) {
  // A pipe or socket may keep references to the sender's page cache, so the data could still change after it was
  // "sent". A regular file gets a copy.
  if (by_system_ && pipe_.in.get() < 0 && most > by_system_from && output_.is_regular()) {
    pipe_ = system::open_pipe(block_size);
    by_system_ = pipe_.in.get() >= 0;
  }
  return by_system_ ? pipe_.in.get() : system::none;
}

void FileSink::piped(std::size_t count) {
  std::size_t moved = count;
  while (count > 0 && moved > 0) {
    output_.waits().check_cancelled();
    std::error_code ec;
    moved = system::splice(pipe_.out.get(), output_.descriptor(), count, ec);
    count -= moved;
    output_.count(moved);
    if (ec == std::errc::interrupted) moved = count;
  }
  if (moved > 0) return;
  // splice() failed; write() does it, or reports the real error.
  while (count > 0) {
    std::error_code ec;
    const std::size_t some = system::read(pipe_.out.get(), block_.room(count), ec);
    if (ec == std::errc::interrupted) continue;
    if (ec) throw failure_of(ec, output_.name());
    output_.write(block_.first(some));
    count -= some;
  }
  pipe_ = {};
  by_system_ = false;
}

}  // namespace kcom5
