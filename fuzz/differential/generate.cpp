// Generates the random inputs of a seed. Usage: generate SEED. It reads lines `FIRST COUNT`, and answers each with a
// block of these inputs. Format of a block, and of an input: README.md.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace std::literals;

// The acts of README.md, "A peer". Bytes follow the first.
constexpr char bytes = 0, connected = 1, refused = 2, sent = 3, acknowledged = 4, end = 5, early_end = 6, reset = 7;
constexpr char timeout = 8, failure = 9, cancel = 10, wrong = 11;

constexpr char hex_digits[] = "0123456789abcdef";
constexpr std::uint64_t most = ~std::uint64_t{0};  // as a limit: the core's default
constexpr std::uint64_t limits[][2] = {{most, most}, {16 << 20, most}, {20, 3}, {0, 0}};

// The first half is well-formed UTF-8.
constexpr auto pieces = [] {
  std::string_view rest =
      "|a|\0|\x7f|\xc2\x80|\xdf\xbf|\xe0\xa0\x80|\xed\x9f\xbf|\xee\x80\x80|\xef\xbf\xbf|\xf0\x90\x80\x80|"
      "\xf4\x8f\xbf\xbf|\xef\xbb\xbf|\r\n|\xe2\x82\xac|\xf1\x80\x80\x80|\x80|\xbf|\xc0\x80|\xc1\xbf|\xc2|"
      "\xc2\x7f|\xe0\x9f\xbf|\xe0\xa0|\xed\xa0\x80|\xed\xbf\xbf|\xf0\x8f\xbf\xbf|\xf0\x90\x80|"
      "\xf4\x90\x80\x80|\xf5\x80\x80\x80|\xff|\xef\xbf\xc0"sv;
  std::array<std::string_view, 32> found;
  for (std::string_view& piece : found) {
    piece = rest.substr(0, rest.find('|'));
    rest.remove_prefix(std::min(rest.size(), piece.size() + 1));
  }
  return found;
}();
constexpr std::string_view alphabet = "\x00\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc2\xdf\xe0\xed\xef\xf0\xf4"sv;
// The first eight are added to the right length, the others replace it.
constexpr std::uint64_t lengths[] = {0, 1, most,     2,        0,          256,         most - 1,           0,
                                     0, 1, 16777216, 16777217, 0x7fffffff, 0x100000000, 0x8000000000000000, most};
constexpr std::string_view ports[] = {
    "0",     "1",     "9",      "10",    "00001",  "01",     "1023",       "13600",
    "65535", "65536", "065535", "99999", "100000", "655350", "4294980896", "18446744073709565216"};
constexpr std::int64_t port_numbers[] = {0,     1,     9,     10,    -1,     99999,  1023,       13600,
                                         65535, 65536, 10000, 12345, 131072, -65535, 2147483647, -2147483647};
constexpr std::size_t group_counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 48, 1, 2, 3, 48, 48, 24};
constexpr std::string_view odd_characters = ".09fFgG/: \n\0+_\xd9x"sv;
constexpr std::string_view address_characters = "0123456789aF.x +";
constexpr std::string_view counter = "\0\1\2\3\4\5\6\7"sv;

constexpr char starts[] = {refused, wrong, timeout, failure};
// `bytes` stands for no event.
constexpr char client_events[] = {bytes,   bytes,   bytes,   bytes,  end,       end,  reset,        reset,
                                  timeout, timeout, failure, cancel, connected, sent, acknowledged, early_end};
// `bytes` stands for three more bytes.
constexpr char server_events[] = {sent,      sent,  sent,    acknowledged, acknowledged, end,   end,   early_end,
                                  early_end, reset, timeout, failure,      cancel,       bytes, bytes, connected};

/// SplitMix64.
class Draws {
 public:
  explicit Draws(std::uint64_t state) : state_{state} {}
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

std::string little(std::uint64_t value, int size) {
  std::string text;
  for (; size > 0; --size, value >>= 8) text += static_cast<char>(value & 255);
  return text;
}

/// *Returns* sixteen characters, one for each half byte of the word, the highest first.
std::string spelt(std::uint64_t word, std::string_view table) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += table[word >> shift & 15];
  return text;
}

/// Changes a byte, cuts off the end, or removes or doubles a byte.
void change(std::string& text, std::uint64_t how, std::uint64_t value) {
  if (text.empty()) return;
  const std::size_t at = (value & 0xffff) % text.size();
  if (how < 2) {
    text[at] = static_cast<char>(text[at] ^ static_cast<char>(1 + (value >> 16 & 255) % 255));
  } else if (how == 2) {
    text.resize(at);
  } else if (value >> 24 & 1) {
    text.erase(at, 1);
  } else {
    text.insert(at, 1, text[at]);
  }
}

void add_piece(std::string& input, std::string_view piece) {
  input += bytes;
  input += little(piece.size(), 4);
  input += piece;
}

/// Adds a text byte by byte, or cut at no, one or two places, which may be its ends.
void add_pieces(std::string& input, std::string_view text, std::uint64_t how, std::uint64_t value) {
  std::size_t first = (value & 0xffff) % (text.size() + 1);
  std::size_t second = (value >> 16 & 0xffff) % (text.size() + 1);
  if (how == 0) {
    for (std::size_t i = 0; i < text.size(); ++i) add_piece(input, text.substr(i, 1));
  } else if (how < 6) {
    add_piece(input, text.substr(0, first));
    add_piece(input, text.substr(first));
  } else if (how < 9) {
    if (first > second) std::swap(first, second);
    add_piece(input, text.substr(0, first));
    add_piece(input, text.substr(first, second - first));
    add_piece(input, text.substr(second));
  } else {
    add_piece(input, text);
  }
}

std::string client_input(std::uint64_t w, Draws& draws) {
  const std::uint64_t kind = w & 3;
  const std::uint64_t how = w >> 2 & 3;
  const std::uint64_t piece = w >> 6 & 31;
  const std::string_view data = counter.substr(0, w >> 15 & 7);
  const std::uint64_t value = draws.next();
  std::string stream = "KCOM5\xaa\xbb\xcc";
  std::string message(w >> 11 & 15, 'a');
  if (kind < 2) {
    message += pieces[piece & 15];
    stream += little(message.size(), 4) + message + little(data.size(), 8);
  } else if (kind == 2) {
    message += pieces[piece];
    const std::uint64_t m = value >> 32 & 15;
    const std::uint64_t d = value >> 36 & 15;
    stream += little(m < 8 ? message.size() + lengths[m & 1] : lengths[m], 4) + message;
    stream += little(d < 8 ? data.size() + lengths[d] : lengths[d], 8);
  } else {
    stream.resize(2 + 2 * how);
    if (how == 3) stream += little(value >> 32 & 15, 4);
    stream += spelt(draws.next(), alphabet) + little(value >> 36 & 15, 8);
  }
  stream += data;
  if (kind == 1) change(stream, how, value >> 32);
  const auto& limit = limits[w >> 4 & 3];
  std::string input = "c" + little(limit[0], 8) + little(limit[1], 8);
  input += (w >> 30 & 31) == 0 ? starts[w >> 35 & 3] : connected;
  add_pieces(input, stream, w >> 18 & 15, value);
  for (const int shift : {22, 26}) {
    if (const char event = client_events[w >> shift & 15]) input += event;
  }
  return input;
}

std::string server_input(std::uint64_t w, Draws& draws) {
  const std::uint64_t kind = w & 3;
  const std::uint64_t how = w >> 2 & 3;
  const std::uint64_t piece = w >> 4 & 31;
  const std::uint64_t value = draws.next();
  std::string hello = "KCOM5" + little(value >> 40, 3);
  if (kind == 1) {
    change(hello, how, value >> 32);
  } else if (kind == 2) {
    hello += counter.substr(0, how);
  } else if (kind == 3) {
    hello = hello.substr(0, 2 * how) + spelt(draws.next(), alphabet).substr(0, value >> 32 & 15);
  }
  std::string message(w >> 9 & 15, 'a');
  message += pieces[(w >> 13 & 3) == 0 ? piece : piece & 15];
  std::string input = "s" + little(lengths[w >> 15 & 15], 8) + little(message.size(), 4) + message;
  input += (w >> 39 & 31) == 0 ? starts[w >> 44 & 3] : connected;
  add_pieces(input, hello, w >> 19 & 15, value);
  for (const int shift : {23, 27, 31, 35}) {
    if (const char event = server_events[w >> shift & 15]) {
      input += event;
    } else {
      add_piece(input, "\x00\xff\x4b"sv);
    }
  }
  return input;
}

std::string address_input(std::uint64_t w, Draws& draws) {
  const std::uint64_t kind = w & 3;
  const std::uint64_t how = w >> 2 & 3;
  const std::uint64_t value = draws.next();
  const std::uint64_t port = w >> 15 & 0xffff;
  const std::size_t count = kind == 2 ? (value & 0xff) % 50 : group_counts[w >> 4 & 15];
  std::string key;
  for (std::size_t i = 0; i < count; ++i) key += static_cast<char>(value >> (8 * (i % 8)));
  if ((w >> 8 & 7) == 0) {
    return "p" + little(kind == 2 ? static_cast<std::uint64_t>(port_numbers[w >> 11 & 15]) : port, 8) + key;
  }
  std::string text = kind == 2 ? std::string{ports[w >> 11 & 15]} : std::to_string(port);
  const bool is_upper = w >> 31 & 1;
  for (const char byte : key) {
    text += '.';
    for (const int digit : {byte >> 4 & 15, byte & 15}) {
      const char c = hex_digits[digit];
      text += is_upper && c >= 'a' ? static_cast<char>(c - 32) : c;
    }
  }
  if (kind == 1) {
    const std::size_t at = (value >> 16 & 0xffff) % text.size();
    if (how != 2) text.erase(at, 1);
    if (how < 3) text.insert(at, 1, odd_characters[value >> 32 & 15]);
  } else if (kind == 3) {
    text = spelt(value, address_characters).substr(0, 1 + (w >> 32 & 15));
  }
  return "u" + text;
}

std::string random_input(std::uint64_t seed, std::uint64_t index) {
  Draws draws{Draws{seed}.next() + index * 0xd1342543de82ef95};
  const std::uint64_t w = draws.next();
  if ((w & 7) == 0) return address_input(w >> 3, draws);
  if ((w & 7) == 1) return server_input(w >> 3, draws);
  return client_input(w >> 3, draws);
}

}  // namespace

int main(int count_of_words, char** words) {
  const std::uint64_t seed = std::strtoull(count_of_words > 1 ? words[1] : "1", nullptr, 10);
  std::string block;
  for (std::uint64_t first, count; std::cin >> first >> count;) {
    block.clear();
    for (std::uint64_t index = first; index < first + count; ++index) {
      const std::string input = random_input(seed, index);
      block += little(input.size(), 4) + input;
    }
    block.insert(0, little(block.size(), 4));
    if (std::fwrite(block.data(), 1, block.size(), stdout) != block.size() || std::fflush(stdout) != 0) return 1;
  }
}
