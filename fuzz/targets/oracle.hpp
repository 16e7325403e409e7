// The common parts of the targets: failures, cuts, the spec's judgement of a stream, the count of allocated memory. It
// is written from the spec, shares no code with any implementation, and calls them only through kcom5_fuzz.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kcom5_fuzz.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>  // without AddressSanitizer its macros do nothing
#else
#define ASAN_POISON_MEMORY_REGION(at, size) (void)(at), (void)(size)
#define ASAN_UNPOISON_MEMORY_REGION(at, size) (void)(at), (void)(size)
#endif

namespace kcom5_fuzz {

inline constexpr std::uint8_t hello[8] = {'K', 'C',  'O',  'M',
                                          '5', 0xaa, 0xbb, 0xcc};        // the nonce is that of the vectors
inline constexpr std::uint64_t message_limit = std::uint64_t{16} << 20;  // the spec's default
inline constexpr std::uint64_t data_limit = std::uint64_t{1} << 40;
inline constexpr kcom5_setting client_setting = {{hello[5], hello[6], hello[7]}, message_limit, data_limit, {}, {}, 0};

inline constexpr char invalid_connection[] = "invalid-connection";
inline constexpr char truncated[] = "truncated";
inline constexpr char timeout[] = "timeout";

[[noreturn]] inline void fail(const char* rule, const char* what) {
  std::fprintf(stderr, "ORACLE: %s: %s\n", rule, what);
  std::abort();
}

inline void require(bool holds, const char* rule, const char* what) {
  if (!holds) fail(rule, what);
}

inline bool same(const char* a, const char* b) { return a == b || (a && b && std::strcmp(a, b) == 0); }

inline bool same(const kcom5_octets& a, const std::uint8_t* at, std::size_t size) {
  return a.size == size && (size == 0 || std::memcmp(a.at, at, size) == 0);
}

inline kcom5_result outcome(kcom5_role role) {
  kcom5_result result;
  kcom5_outcome(role, &result);
  return result;
}

/// The choices of a run depend only on its input, so that every tool makes the same ones.
class Choices {
 public:
  Choices(const std::uint8_t* octets, std::size_t size) {
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
      std::uint64_t word;
      std::memcpy(&word, octets + i, 8);
      mix(word);
    }
    for (; i < size; ++i) mix(octets[i]);
    mix(size);
  }

  /// *Returns* a number from 0 to most.
  std::size_t up_to(std::size_t most) {
    mix(most);
    return static_cast<std::size_t>((state_ >> 32) % (most + 1));
  }

 private:
#if defined(__clang__)
  __attribute__((no_sanitize("unsigned-integer-overflow")))
#endif
  void
  mix(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9e37'79b9'7f4a'7c15;
    state_ ^= state_ >> 29;
  }

  std::uint64_t state_ = 0x6b63'6f6d'35;
};

/// Feeds octets[begin, end) as one piece, and poisons the bytes after it, so that a read past the end is found.
inline void feed_piece(kcom5_role role, const std::uint8_t* octets, std::size_t size, std::size_t begin,
                       std::size_t end) {
  ASAN_POISON_MEMORY_REGION(octets + end, size - end);
  kcom5_feed(role, KCOM5_OCTETS, octets + begin, end - begin);
  ASAN_UNPOISON_MEMORY_REGION(octets + end, size - end);
}

/// *Returns* the bytes that malloc and operator new gave since the program's start, counted under AddressSanitizer
/// only. For a parser with its own allocator there is libFuzzer's -rss_limit_mb.
std::uint64_t allocated();

/// Tells libFuzzer how far the parser came. It counts as a new edge, also if the parser is not instrumented.
void progress(const kcom5_result& result);

inline std::uint64_t read_length(const std::uint8_t* octets, int size) {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) value |= std::uint64_t{octets[i]} << (8 * i);
  return value;
}

/// Whether the bytes are well-formed UTF-8: decodes each character, then checks for the shortest form of a scalar
/// value.
inline bool is_text(const std::uint8_t* octets, std::size_t size) {
  for (std::size_t i = 0; i < size;) {
    const std::uint8_t lead = octets[i];
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || size - i < length) return false;
    std::uint32_t character = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      if (octets[i + k] >> 6 != 2) return false;
      character = character << 6 | (octets[i + k] & 0x3fU);
    }
    constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (character < least[length - 1] || character > 0x10ffff || character >> 11 == 0x1b) return false;
    i += length;
  }
  return true;
}

/// The spec's judgement of the bytes of a server, from all of them at once.
struct Judgement {
  bool is_decided = false;      // done or failed, whatever follows
  std::size_t at = 0;           // bytes consumed: up to the decision, or all
  const char* error = nullptr;  // if decided; null: done
  const std::uint8_t* message = nullptr;
  std::size_t message_size = 0;
  const std::uint8_t* data = nullptr;
  std::size_t data_size = 0;
};

inline Judgement judge(const std::uint8_t* octets, std::size_t size) {
  const auto decided = [](std::size_t at, const char* error) { return Judgement{true, at, error, {}, 0, {}, 0}; };
  const Judgement waiting{false, size, nullptr, {}, 0, {}, 0};
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == size) return waiting;
    if (octets[i] != hello[i]) return decided(i + 1, invalid_connection);
  }
  if (size < 12) return waiting;
  const std::uint64_t message_size = read_length(octets + 8, 4);
  if (message_size > message_limit) return decided(12, "over-limit");
  if (size - 12 < message_size) return waiting;
  const std::size_t after = 12 + static_cast<std::size_t>(message_size);
  if (!is_text(octets + 12, after - 12)) return decided(after, "malformed-message");
  if (size - after < 8) return waiting;
  const std::uint64_t data_size = read_length(octets + after, 8);
  if (data_size > data_limit) return decided(after + 8, "over-limit");
  if (size - after - 8 < data_size) return waiting;
  const std::size_t count = static_cast<std::size_t>(data_size);
  return {true, after + 8 + count, nullptr, octets + 12, after - 12, octets + after + 8, count};
}

/// *Returns* the error of a client that has consumed `count` bytes when the peer ends or resets, or T passes.
inline const char* interrupted(kcom5_event event, std::size_t count) {
  if (event == KCOM5_TIMEOUT) return timeout;
  return count < 8 ? invalid_connection : truncated;
}

/// A message and data for a server, read from any bytes as if a server had sent them.
struct Content {
  kcom5_octets message;
  kcom5_octets data;
};

inline Content content_of(const std::uint8_t* octets, std::size_t size) {
  if (size < 12) return {{octets, 0}, {octets, size}};
  const std::size_t message = static_cast<std::size_t>(std::min<std::uint64_t>(read_length(octets + 8, 4), size - 12));
  const std::size_t data = std::min(size, 12 + message + 8);
  return {{octets + 12, message}, {octets + data, size - data}};
}

}  // namespace kcom5_fuzz
