// An adapter for kcom5-conformance: it puts your implementation of KCOM5 on the end of two pipes.
//
// Replace the bodies of the three functions below by calls of your implementation. What stands there is a naive KCOM5
// that conforms in fair weather only: without timeouts, limits, and errors by name.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>

// The name is one of the spec's table, or "error" if your implementation does not tell.
struct Failure : std::runtime_error {
  Failure(std::string its_name, const std::string& detail) : std::runtime_error(detail), name(std::move(its_name)) {}
  std::string name;
};

using Number = std::optional<long long>;

// --------------------------------------------------------------------- replace this by calls of your implementation

namespace mine {

struct Socket {
  explicit Socket(int number) : fd(number) { check(fd); }
  ~Socket() { close_now(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  static void check(long result) {
    if (result < 0) throw std::system_error(errno, std::generic_category());
  }

  void close_now() {
    if (fd >= 0) close(fd);
    fd = -1;
  }

  void write(const std::string& octets) const {
    for (std::size_t done = 0; done < octets.size();) {
      const auto got = ::send(fd, octets.data() + done, octets.size() - done, 0);
      check(got);
      done += static_cast<std::size_t>(got);
    }
  }

  std::string read(std::uint64_t size) const {
    std::string octets;
    char piece[65536];
    while (octets.size() < size) {
      const auto got = recv(fd, piece, std::min<std::uint64_t>(size - octets.size(), sizeof piece), 0);
      check(got);
      if (got == 0) throw Failure("error", "the connection ended too early");
      octets.append(piece, static_cast<std::size_t>(got));
    }
    return octets;
  }

  int fd;
};

union Address {
  sockaddr any;
  sockaddr_in four;
  sockaddr_in6 six;
};

Address loopback(const std::string& via, const Number& port) {
  Address address{};
  const auto number = htons(static_cast<std::uint16_t>(port.value_or(13600)));
  if (via == "tcp6") {
    address.six.sin6_family = AF_INET6;
    address.six.sin6_addr = in6addr_loopback;
    address.six.sin6_port = number;
  } else {
    address.four.sin_family = AF_INET;
    address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.four.sin_port = number;
  }
  return address;
}

std::string little_endian(std::uint64_t value, int size) {
  std::string octets;
  for (int i = 0; i < size; i++) octets += static_cast<char>(value >> 8 * i);
  return octets;
}

std::uint64_t from_little_endian(const std::string& octets) {
  std::uint64_t value = 0;
  for (auto i = octets.rbegin(); i != octets.rend(); ++i) value = value << 8 | static_cast<std::uint8_t>(*i);
  return value;
}

std::string about() {
  // Add pack, unix, port-zero, limits and file to supports when you answer them: only what is listed is asked for.
  return R"({"name":"mine","version":"0","language":"cpp","supports":["send","receive","tcp4","tcp6"]})";
}

// Sends to one client. Where port and close are empty, your defaults hold. Calls listening when it listens, with the
// port, which the system has chosen if port is 0. Throws a Failure, or any other exception.
void send(const std::string& via, const Number& port, const Number& /*close*/, const std::string& message,
          const std::string& data, const std::function<void(int)>& listening) {
  auto address = loopback(via, port);
  socklen_t length = address.any.sa_family == AF_INET6 ? sizeof address.six : sizeof address.four;
  Socket listener(socket(address.any.sa_family, SOCK_STREAM, 0));
  const int yes = 1;
  Socket::check(setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
  Socket::check(bind(listener.fd, &address.any, length));
  Socket::check(listen(listener.fd, 1));
  Socket::check(getsockname(listener.fd, &address.any, &length));
  listening(ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port));
  Socket connection(accept(listener.fd, nullptr, nullptr));
  listener.close_now();
  const auto hello = connection.read(8);
  if (hello.compare(0, 5, "KCOM5") != 0) throw Failure("invalid-connection", "no hello");
  connection.write(hello + little_endian(message.size(), 4) + message + little_endian(data.size(), 8));
  connection.write(data);
  Socket::check(shutdown(connection.fd, SHUT_WR));
  char rest[4096];
  while (const auto got = recv(connection.fd, rest, sizeof rest, 0)) Socket::check(got);  // until the client's end
}

struct Received {
  std::string message, data;
};

// Returns the message and the data of one server. Throws a Failure, or any other exception.
Received receive(const std::string& via, const Number& port, const Number& /*close*/) {
  const auto address = loopback(via, port);
  Socket connection(socket(address.any.sa_family, SOCK_STREAM, 0));
  Socket::check(connect(connection.fd, &address.any, sizeof address));
  std::random_device random;
  const auto hello = "KCOM5" + little_endian(random(), 3);
  connection.write(hello);
  if (connection.read(8) != hello) throw Failure("invalid-connection", "no echo");
  Received received;
  received.message = connection.read(from_little_endian(connection.read(4)));
  received.data = connection.read(from_little_endian(connection.read(8)));
  return received;
}

}  // namespace mine

// ------------------------------------------------------------------------- the adapter: nothing to do from here on

namespace {

// A request as a map of paths, such as data.hex, to values: the text of a number, the octets of a string.
using Request = std::map<std::string, std::string>;

class Reader {
 public:
  explicit Reader(const std::string& line) : text(line) {}

  Request read() {
    object("");
    return std::move(request);
  }

 private:
  char take() {
    if (at == text.size()) throw std::invalid_argument("this is no request");
    return text[at++];
  }

  char peek() {
    at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    return at == text.size() ? '\0' : text[at];
  }

  void expect(char sign) {
    if (peek() != sign) throw std::invalid_argument("this is no request");
    at++;
  }

  unsigned long unit() {
    const auto digits = text.substr(at, 4);
    at = std::min(at + 4, text.size());
    return std::stoul(digits, nullptr, 16);
  }

  static std::string utf8(unsigned long code) {
    if (code < 0x80) return std::string(1, static_cast<char>(code));
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    std::string octets(1, static_cast<char>((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | code >> 6 * more));
    while (more-- > 0) octets += static_cast<char>(0x80 | (code >> 6 * more & 0x3f));
    return octets;
  }

  std::string string() {
    static const std::string names = "bfnrt", values = "\b\f\n\r\t";
    std::string value;
    expect('"');
    for (char next = take(); next != '"'; next = take()) {
      if (next != '\\') {
        value += next;
      } else if ((next = take()) != 'u') {
        const auto known = names.find(next);
        value += known == std::string::npos ? next : values[known];
      } else {
        auto code = unit();
        if (code >> 10 == 0x36 && text.compare(at, 2, "\\u") == 0) {  // two halves
          at += 2;
          code = 0x10000 + ((code & 0x3ff) << 10) + (unit() & 0x3ff);
        }
        value += utf8(code);
      }
    }
    return value;
  }

  void object(const std::string& prefix) {
    expect('{');
    while (peek() != '}') {
      if (peek() == ',') at++;
      peek();
      const auto path = prefix + string();
      expect(':');
      if (peek() == '{') {
        object(path + ".");
      } else if (peek() == '"') {
        request[path] = string();
      } else {
        const auto end = std::min(text.find_first_of(",} \t\r\n", at), text.size());
        request[path] = text.substr(at, end - at);
        at = end;
      }
    }
    at++;
  }

  const std::string& text;
  std::size_t at = 0;
  Request request;
};

std::string hex(const std::string& octets) {
  std::string digits;
  for (const char octet : octets)
    for (const int shift : {4, 0}) digits += "0123456789abcdef"[static_cast<std::uint8_t>(octet) >> shift & 15];
  return digits;
}

std::string octets_of(const std::string& digits) {
  std::string octets;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    octets += static_cast<char>(std::stoul(digits.substr(i, 2), nullptr, 16));
  return octets;
}

std::string filled(std::size_t size, const std::string& fill) {
  if (fill != "counter251") return std::string(size, octets_of(fill).at(0));
  std::string octets(size, 0);
  for (std::size_t i = 0; i < size; i++) octets[i] = static_cast<char>(i % 251);
  return octets;
}

// How many octets the UTF-8 character at this place has; 0 if it is none.
std::size_t character(const std::string& text, std::size_t at) {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned>(static_cast<std::uint8_t>(text[at + i])); };
  if (octet(0) < 0x80) return 1;
  const std::size_t whole = octet(0) >= 0xf0 ? 4 : octet(0) >= 0xe0 ? 3 : 2;
  if (octet(0) < 0xc2 || octet(0) > 0xf4 || whole > text.size() - at) return 0;
  for (std::size_t i = 1; i < whole; i++)
    if ((octet(i) & 0xc0) != 0x80) return 0;
  const auto two = octet(0) << 8 | octet(1);
  const auto within = [&](unsigned first, unsigned last) { return two >= first && two <= last; };
  const bool overlong = within(0xe080, 0xe09f) || within(0xf080, 0xf08f), surrogate = within(0xeda0, 0xedbf);
  return overlong || surrogate || two >= 0xf490 ? 0 : whole;
}

std::string quoted(const std::string& text) {
  std::string line = "\"";
  for (std::size_t i = 0, whole; i < text.size(); i += std::max<std::size_t>(whole, 1)) {
    whole = character(text, i);
    const auto octet = static_cast<std::uint8_t>(text[i]);
    if (whole == 0)
      line += "\\ufffd";
    else if (octet < 0x20 || octet == '"' || octet == '\\')
      line += "\\u00" + hex(text.substr(i, 1));
    else
      line += text.substr(i, whole);
  }
  return line + '"';
}

// FIPS 180-4.
class Sha256 {
 public:
  static std::string of(const std::string& data) {
    Sha256 hash;
    std::size_t done = 0;
    for (; data.size() - done >= 64; done += 64) hash.block(data.data() + done);
    auto tail = data.substr(done) + '\x80';
    while (tail.size() % 64 != 56) tail += '\0';
    for (int i = 7; i >= 0; i--) tail += static_cast<char>(std::uint64_t{data.size()} * 8 >> 8 * i);
    for (std::size_t at = 0; at < tail.size(); at += 64) hash.block(tail.data() + at);
    std::string digest;
    for (const auto word : hash.state)
      for (int shift = 24; shift >= 0; shift -= 8) digest += static_cast<char>(word >> shift);
    return digest;
  }

 private:
  static std::uint32_t turned(std::uint32_t word, int by) { return word >> by | word << (32 - by); }

  void block(const char* octets) {
    static constexpr std::uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    std::uint32_t w[64];
    for (int i = 0; i < 64; i++) {
      w[i] = 0;
      for (int j = 0; i < 16 && j < 4; j++) w[i] = w[i] << 8 | static_cast<std::uint8_t>(octets[4 * i + j]);
      if (i >= 16)
        w[i] = w[i - 16] + (turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
               (turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10);
    }
    auto s = state;
    for (std::size_t i = 0; i < 64; i++) {
      const auto one = s[7] + (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25)) +
                       ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
      const auto two =
          (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      std::rotate(s.begin(), s.end() - 1, s.end());
      s[4] += one;
      s[0] = one + two;
    }
    for (std::size_t i = 0; i < 8; i++) state[i] += s[i];
  }

  std::array<std::uint32_t, 8> state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

void say(const std::string& line) { std::cout << line << std::endl; }

std::string answer(const Request& request) {
  const auto text = [&](const std::string& path) {
    const auto found = request.find(path);
    return found == request.end() ? "" : found->second;
  };
  const auto number = [&](const std::string& path) {
    return request.count(path) != 0 ? Number(std::stoll(request.at(path))) : Number();
  };
  const auto op = text("op"), via = text("via");
  if (op == "about") return mine::about();
  if ((op != "send" && op != "receive") || mine::about().find('"' + via + '"') == std::string::npos)
    return R"({"unsupported":true})";
  if (op == "send") {
    const auto octets = [&](const std::string& path) {
      if (const auto size = number(path + ".size"))
        return filled(static_cast<std::size_t>(*size), text(path + ".fill"));
      return request.count(path + ".hex") != 0 ? octets_of(text(path + ".hex")) : text(path);
    };
    mine::send(via, number("port"), number("close"), octets("message"), octets("data"),
               [](int port) { say("{\"listening\":" + std::to_string(port) + "}"); });
    return R"({"ok":true})";
  }
  const auto received = mine::receive(via, number("port"), number("close"));
  auto line = "{\"ok\":true,\"message\":" + quoted(received.message) +
              ",\"data\":{\"size\":" + std::to_string(received.data.size()) + ",\"sha256\":\"" +
              hex(Sha256::of(received.data)) + '"';
  if (received.data.size() <= 4096) line += ",\"hex\":\"" + hex(received.data) + '"';
  return line + "}}";
}

std::string error(const std::string& name, const std::string& detail) {
  return "{\"error\":\"" + name + "\",\"detail\":" + quoted(detail) + "}";
}

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      say(answer(Reader(line).read()));
    } catch (const Failure& failure) {
      say(error(failure.name, failure.what()));
    } catch (const std::exception& other) {
      say(error("error", other.what()));
    }
  }
}
