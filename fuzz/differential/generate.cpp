// The numbered sets of inputs (README.md, "The sets").
#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "peer.hpp"

namespace kcom5_differential {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";
const std::string nonce_hello = "KCOM5\xaa\xbb\xcc";
constexpr std::uint64_t no_limit = ~std::uint64_t{0};

struct Limit {
  std::uint64_t message, data;
};
constexpr Limit limits[] = {{16 << 20, no_limit}, {16 << 20, no_limit}, {20, 3}, {0, 0}};

// The first half is well-formed UTF-8.
const std::string pieces[] = {
    "",
    "a",
    std::string(1, '\0'),
    "\x7f",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbf",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbf",
    "\xef\xbb\xbf",
    "\r\n",
    "\xe2\x82\xac",
    "\xf1\x80\x80\x80",
    "\x80",
    "\xbf",
    "\xc0\x80",
    "\xc1\xbf",
    "\xc2",
    "\xc2\x7f",
    "\xe0\x9f\xbf",
    "\xe0\xa0",
    "\xed\xa0\x80",
    "\xed\xbf\xbf",
    "\xf0\x8f\xbf\xbf",
    "\xf0\x90\x80",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xff",
    "\xef\xbf\xc0",
};
constexpr std::uint8_t alphabet[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                     0xbf, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4};
constexpr std::uint8_t edges[] = {0x00, 0x01, 0x41, 0x7e, 0x7f, 0x80, 0x81, 0x8e, 0x8f, 0x90, 0x91,
                                  0x9e, 0x9f, 0xa0, 0xa1, 0xbe, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
                                  0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5};
// Differences to the right length, or, from the eighth on, lengths.
constexpr std::uint64_t lengths[] = {0, 1, no_limit, 2,        0,          256,         no_limit - 1,       0,
                                     0, 1, 16777216, 16777217, 0x7fffffff, 0x100000000, 0x8000000000000000, no_limit};
const char* const ports[] = {
    "0",     "1",     "9",      "10",    "00001",  "01",     "1023",       "13600",
    "65535", "65536", "065535", "99999", "100000", "655350", "4294980896", "18446744073709565216"};
constexpr std::int64_t port_numbers[] = {0,     1,     9,     10,    -1,     99999,  1023,       13600,
                                         65535, 65536, 10000, 12345, 131072, -65535, 2147483647, -2147483647};
constexpr std::size_t counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 48, 1, 2, 3, 48, 48, 24};
constexpr char odd_characters[] = {'.', '0', '9', 'f', 'F', 'g', 'G', '/', ':', ' ', '\n', '\0', '+', '_', '\xd9', 'x'};
constexpr char address_characters[] = "0123456789aF.x +";

const char* const starts[] = {"refused", "wrong", "timeout", "failure"};
const char* const client_events[] = {
    "",        "",        "",        "",       "end",       "end",  "reset",        "reset",
    "timeout", "timeout", "failure", "cancel", "connected", "sent", "acknowledged", "early-end"};
// "octets": three octets more.
const char* const server_events[] = {"sent",   "sent",      "sent",      "acknowledged", "acknowledged", "end",
                                     "end",    "early-end", "early-end", "reset",        "timeout",      "failure",
                                     "cancel", "octets",    "octets",    "connected"};

std::vector<Input> bases;
std::vector<std::uint64_t> ends;  // of each base in the set `changes`

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

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

/// Sixteen octets, one for each half octet of the word, the highest first.
template <class Table>
std::string spelt(std::uint64_t word, const Table& table) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += static_cast<char>(table[word >> shift & 15]);
  return text;
}

/// An octet changed, octets lost at the end, one lost or one twice.
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

/// In pieces: octet by octet, or cut at no, one or two places, which may be the ends.
void add_pieces(Input& input, const std::string& text, std::uint64_t how, std::uint64_t value) {
  const auto add = [&](std::size_t begin, std::size_t end) {
    input.acts.push_back({"", bytes_of(text.substr(begin, end - begin)), false});
  };
  std::size_t first = (value & 0xffff) % (text.size() + 1);
  std::size_t second = (value >> 16 & 0xffff) % (text.size() + 1);
  if (how == 0) {
    for (std::size_t i = 0; i < text.size(); ++i) add(i, i + 1);
  } else if (how < 6) {
    add(0, first);
    add(first, text.size());
  } else if (how < 9) {
    if (first > second) std::swap(first, second);
    add(0, first);
    add(first, second);
    add(second, text.size());
  } else {
    add(0, text.size());
  }
}

std::string counter(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i);
  return text;
}

Input client_input(std::uint64_t w, Draws& draws) {
  Input input;
  input.role = 'c';
  const std::uint64_t kind = w & 3;
  const std::uint64_t how = w >> 2 & 3;
  input.message_limit = limits[w >> 4 & 3].message;
  input.data_limit = limits[w >> 4 & 3].data;
  const std::uint64_t piece = w >> 6 & 31;
  const std::string run(w >> 11 & 15, 'a');
  const std::string data = counter(w >> 15 & 7);
  const std::uint64_t value = draws.next();
  std::string stream;
  if (kind < 2) {
    const std::string message = run + pieces[piece & 15];
    stream = nonce_hello + little(message.size(), 4) + message + little(data.size(), 8) + data;
    if (kind == 1) change(stream, how, value >> 32);
  } else if (kind == 2) {
    const std::string message = run + pieces[piece];
    const std::uint64_t m = value >> 32 & 15;
    const std::uint64_t d = value >> 36 & 15;
    stream = nonce_hello + little(m < 8 ? message.size() + lengths[m & 1] : lengths[m], 4) + message +
             little(d < 8 ? data.size() + lengths[d] : lengths[d], 8) + data;
  } else {
    stream = nonce_hello.substr(0, 2 + 2 * how);
    if (how == 3) stream += little(value >> 32 & 15, 4);
    stream += spelt(draws.next(), alphabet) + little(value >> 36 & 15, 8) + data;
  }
  add_pieces(input, stream, w >> 18 & 15, value);
  for (const std::uint64_t event : {w >> 22 & 15, w >> 26 & 15}) {
    if (*client_events[event]) input.acts.push_back({client_events[event], {}, false});
  }
  input.start = (w >> 30 & 31) == 0 ? starts[w >> 35 & 3] : "connected";
  return input;
}

Input server_input(std::uint64_t w, Draws& draws) {
  Input input;
  input.role = 's';
  const std::uint64_t kind = w & 3;
  const std::uint64_t how = w >> 2 & 3;
  const std::uint64_t piece = w >> 4 & 31;
  input.octets = bytes_of(std::string(w >> 9 & 15, 'a') + pieces[(w >> 13 & 3) == 0 ? piece : piece & 15]);
  input.data_size = lengths[w >> 15 & 15];
  const std::uint64_t value = draws.next();
  std::string hello = "KCOM5" + little(value >> 40, 3);
  if (kind == 1) {
    change(hello, how, value >> 32);
  } else if (kind == 2) {
    hello += counter(how);
  } else if (kind == 3) {
    hello = hello.substr(0, 2 * how) + spelt(draws.next(), alphabet).substr(0, value >> 32 & 15);
  }
  add_pieces(input, hello, w >> 19 & 15, value);
  for (int shift = 23; shift < 39; shift += 4) {
    const std::string event = server_events[w >> shift & 15];
    if (event == "octets") {
      input.acts.push_back({"", {0x00, 0xff, 0x4b}, false});
    } else {
      input.acts.push_back({event, {}, false});
    }
  }
  input.start = (w >> 39 & 31) == 0 ? starts[w >> 44 & 3] : "connected";
  return input;
}

Input address_input(std::uint64_t w, Draws& draws) {
  Input input;
  const std::uint64_t kind = w & 3;
  const std::uint64_t how = w >> 2 & 3;
  const std::uint64_t value = draws.next();
  const std::size_t any = (value & 0xff) % 50;
  const std::size_t count = kind == 2 ? any : counts[w >> 4 & 15];
  std::string key;
  for (std::size_t i = 0; i < count; ++i) key += static_cast<char>(value >> (8 * (i % 8)));
  if ((w >> 8 & 7) == 0) {
    input.role = 'p';
    input.port = kind == 2 ? port_numbers[w >> 11 & 15] : static_cast<std::int64_t>(w >> 15 & 0xffff);
    input.octets = bytes_of(key);
    return input;
  }
  input.role = 'u';
  std::string text = kind == 2 ? ports[w >> 11 & 15] : std::to_string(w >> 15 & 0xffff);
  const bool is_upper = w >> 31 & 1;
  for (const char octet : key) {
    text += '.';
    for (const int digit : {octet >> 4 & 15, octet & 15}) {
      const char c = hex_digits[digit];
      text += is_upper && c >= 'a' ? static_cast<char>(c - 32) : c;
    }
  }
  if (kind == 1) {
    const std::size_t at = (value >> 16 & 0xffff) % text.size();
    if (how < 2) {
      text[at] = odd_characters[value >> 32 & 15];
    } else if (how == 2) {
      text.insert(at, 1, odd_characters[value >> 32 & 15]);
    } else {
      text.erase(at, 1);
    }
  } else if (kind == 3) {
    text = spelt(value, address_characters).substr(0, 1 + (w >> 32 & 15));
  }
  input.octets = bytes_of(text);
  return input;
}

Input random_input(std::uint64_t seed, std::uint64_t index) {
  Draws draws{Draws{seed}.next() + index * 0xd1342543de82ef95};
  const std::uint64_t w = draws.next();
  if ((w & 7) == 0) return address_input(w >> 3, draws);
  if ((w & 7) == 1) return server_input(w >> 3, draws);
  return client_input(w >> 3, draws);
}

/// Every spelling of no to six digits, with 0 to 49 groups.
Input ports_input(std::uint64_t index) {
  const std::size_t count = index % 50;
  std::uint64_t spelling = index / 50;
  std::size_t length = 0;
  for (std::uint64_t number = 1; spelling >= number; number *= 10, ++length) spelling -= number;
  std::string text(length, '0');
  for (; length > 0; --length, spelling /= 10) text[length - 1] = static_cast<char>('0' + spelling % 10);
  for (std::size_t i = 0; i < count; ++i) {
    text += '.';
    text += hex_digits[i >> 4];
    text += hex_digits[i & 15];
  }
  Input input;
  input.role = 'u';
  input.octets = bytes_of(text);
  return input;
}

/// Every way to cut what a server sends, its message and its data having 0 to 2 octets: bit i of the mask is a cut
/// after octet i + 1.
Input cuts_input(std::uint64_t index) {
  for (std::size_t message = 0; message < 3; ++message) {
    for (std::size_t data = 0; data < 3; ++data) {
      const std::size_t size = 20 + message + data;
      const std::uint64_t ways = std::uint64_t{1} << (size - 1);
      if (index >= ways) {
        index -= ways;
        continue;
      }
      const std::string stream =
          nonce_hello + little(message, 4) + std::string("hi").substr(0, message) + little(data, 8) + counter(data);
      Input input;
      input.role = 'c';
      input.message_limit = limits[0].message;
      input.data_limit = no_limit;
      input.start = "connected";
      std::size_t begin = 0;
      for (std::size_t i = 0; i < size; ++i) {
        if (i + 1 < size && (index >> i & 1) == 0) continue;
        input.acts.push_back({"", bytes_of(stream.substr(begin, i + 1 - begin)), false});
        begin = i + 1;
      }
      return input;
    }
  }
  throw std::runtime_error("no such cut");
}

Input message_input(Bytes octets) {
  Input input;
  input.role = 'm';
  input.octets = std::move(octets);
  return input;
}

Bytes& stream_of(Input& base) { return base.role == 'u' ? base.octets : base.acts.back().octets; }

/// A base with one octet changed (and then an end), or cut off (and then an end, a reset or a timeout).
Input changes_input(std::uint64_t index) {
  const auto found = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), index) - ends.begin());
  if (found > 0) index -= ends[found - 1];
  Input input = bases[found];
  Bytes& octets = stream_of(input);
  const bool is_text = input.role == 'u';
  const std::uint64_t changes = octets.size() * 255;
  std::uint64_t event = 0;
  if (index < changes) {
    octets[index / 255] ^= static_cast<std::uint8_t>(1 + index % 255);
  } else if (is_text) {
    octets.resize(index - changes);
  } else {
    octets.resize((index - changes) / 3);
    event = (index - changes) % 3;
  }
  if (!is_text) input.acts.push_back({event == 0 ? "end" : event == 1 ? "reset" : "timeout", {}, false});
  return input;
}

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// Parts joined by `+`: `x` and hexadecimal digits, or `r`, how many octets, `*` and the digits to repeat.
Bytes octets_of(const std::string& word) {
  Bytes bytes;
  std::istringstream parts{word};
  for (std::string part; std::getline(parts, part, '+');) {
    const std::size_t star = part.find('*');
    const Bytes fill = from_hex(part.substr(part[0] == 'x' ? 1 : star + 1));
    const std::size_t size = part[0] == 'x' ? fill.size() : std::stoull(part.substr(1, star - 1));
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(fill[i % fill.size()]);
  }
  return bytes;
}

std::string hex_of(const Bytes& bytes) {
  std::string text;
  for (const std::uint8_t octet : bytes) {
    text += hex_digits[octet >> 4];
    text += hex_digits[octet & 15];
  }
  return text;
}

}  // namespace

void load(const std::string& path) {
  std::ifstream file{path};
  if (!file) throw std::runtime_error("no file " + path);
  bases.clear();
  ends.clear();
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string role, word;
    words >> role;
    Input base;
    base.role = role[0];
    base.has_offset = role.size() == 1;  // `c?`: the offset is not looked at
    if (base.role == 'c') {
      words >> word;
      base.message_limit = word == "-" ? default_limits[0] : std::stoull(word);
      words >> word;
      base.data_limit = word == "-" ? default_limits[1] : std::stoull(word);
    } else if (base.role == 'l') {
      words >> base.data_size;
    } else {
      if (base.role == 'p') words >> base.port;
      words >> word;
      base.octets = octets_of(word);
      if (base.role == 's') words >> base.data_size;
    }
    if (base.role == 'c' || base.role == 's') {
      words >> base.start;
      if (base.start == "-") base.start.clear();
      while (words >> word) {
        const bool is_asked = word[0] == 'a' && word[1] == ':';
        if (is_asked) word.erase(0, 2);
        base.acts.push_back(word[0] == 'x' ? Act{"", octets_of(word), is_asked} : Act{word, {}, false});
      }
    }
    bases.push_back(base);
    const std::uint64_t size = base.role == 'u' || !base.acts.empty() ? stream_of(base).size() : 0;
    ends.push_back((ends.empty() ? 0 : ends.back()) + size * (base.role == 'u' ? 256 : 258));
  }
}

std::uint64_t size_of(const std::string& set) {
  if (set == "random") return no_limit;
  if (set == "ports") return 50 * 1'111'111;
  if (set == "cuts") return 49 << 19;
  if (set == "utf8") return std::uint64_t{1} << 32;
  if (set == "edges") return 1 << 20;
  if (set == "changes") return ends.empty() ? 0 : ends.back();
  if (set == "replay") return bases.size();
  throw std::runtime_error("no set " + set);
}

Input input_of(const std::string& set, std::uint64_t seed, std::uint64_t index) {
  if (set == "random") return random_input(seed, index);
  if (set == "ports") return ports_input(index);
  if (set == "cuts") return cuts_input(index);
  if (set == "changes") return changes_input(index);
  if (set == "replay") return bases.at(index);
  Bytes octets;
  for (int i = 3; i >= 0; --i) {
    octets.push_back(set == "edges" ? edges[index >> (5 * i) & 31] : static_cast<std::uint8_t>(index >> (8 * i)));
  }
  return message_input(octets);
}

std::string words_of(const Input& input) {
  if (input.role == 'u') return "unpack " + hex_of(input.octets);
  if (input.role == 'p') return "pack " + std::to_string(input.port) + " " + hex_of(input.octets);
  if (input.role == 'm') return "message " + hex_of(input.octets);
  if (input.role == 'l') return "message of " + std::to_string(input.data_size);
  std::string text =
      input.role == 'c'
          ? "client, limits " + std::to_string(input.message_limit) + " " + std::to_string(input.data_limit)
          : "server, message " + hex_of(input.octets) + ", data of " + std::to_string(input.data_size);
  text += ": " + input.start;
  for (const Act& act : input.acts) {
    text += act.is_asked ? " | as asked " : " | ";
    text += act.event.empty() ? hex_of(act.octets) : act.event;
  }
  return text;
}

}  // namespace kcom5_differential
