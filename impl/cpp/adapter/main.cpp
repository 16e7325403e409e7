// The adapter of the C++ implementation: requests on standard input, answers on standard output, a JSON object a line.
//
// Contract: conformance/ADAPTER.md.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kcom5/kcom5.hpp"

namespace {

using nlohmann::json;
using Bytes = std::vector<std::uint8_t>;

/// An op or a transport that this adapter does not know.
struct Unsupported {};

void answer(const json& object) { std::cout << object.dump() << std::endl; }

Bytes from_hex(const std::string& digits) {
  Bytes octets;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    octets.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return octets;
}

std::string to_hex(kcom5::ByteView octets) {
  std::string digits;
  for (const std::uint8_t octet : octets) {
    digits += "0123456789abcdef"[octet >> 4];
    digits += "0123456789abcdef"[octet & 15];
  }
  return digits;
}

/// A number of the request as an int; one that does not fit stays out of every range.
int number(const json& value) {
  const auto wide = value.get<std::int64_t>();
  return static_cast<int>(
      std::clamp<std::int64_t>(wide, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()));
}

class Sha256 {
 public:
  Sha256() { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
  ~Sha256() { EVP_MD_CTX_free(context_); }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(kcom5::ByteView octets) { EVP_DigestUpdate(context_, octets.data(), octets.size()); }
  std::string hex() {
    std::array<std::uint8_t, 32> digest{};
    EVP_DigestFinal_ex(context_, digest.data(), nullptr);
    return to_hex(digest);
  }

 private:
  EVP_MD_CTX* context_ = EVP_MD_CTX_new();
};

json describe(kcom5::ByteView data) {
  Sha256 sha256;
  sha256.update(data);
  json description{{"size", data.size()}, {"sha256", sha256.hex()}};
  if (data.size() <= 4096) description["hex"] = to_hex(data);
  return description;
}

json describe_file(const std::string& path) {
  Sha256 sha256;
  std::ifstream in{path, std::ios::binary};
  Bytes block(std::size_t{1} << 20);
  std::uint64_t size = 0;
  while (in.read(reinterpret_cast<char*>(block.data()), static_cast<std::streamsize>(block.size())), in.gcount() > 0) {
    const kcom5::ByteView octets{block.data(), static_cast<std::size_t>(in.gcount())};
    sha256.update(octets);
    size += octets.size();
  }
  return {{"size", size}, {"sha256", sha256.hex()}};
}

void configure(kcom5::Options& end, const json& request) {
  const std::string via = request.at("via");
  if (via == "unix") {
    end.path = request.at("path").get<std::string>();
  } else if (via == "tcp4" || via == "tcp6") {
    end.ipv6 = via == "tcp6";
  } else {
    throw Unsupported{};
  }
  if (request.contains("port")) end.port = number(request["port"]);
  if (request.contains("close")) end.timeout = kcom5::timeout_of(number(request["close"]));
}

/// Bytes given as digits, or as a size and a fill pattern.
Bytes bytes_of(const json& rule) {
  if (rule.contains("hex")) return from_hex(rule["hex"]);
  const std::string fill = rule.at("fill");
  const bool counts = fill == "counter251";
  Bytes octets(rule.at("size").get<std::size_t>(), counts ? std::uint8_t{0} : from_hex(fill).at(0));
  for (std::size_t i = 0; counts && i < octets.size(); ++i) octets[i] = static_cast<std::uint8_t>(i % 251);
  return octets;
}

std::string zeros(std::size_t size) {
  std::string text;
#ifdef __cpp_lib_string_resize_and_overwrite
  // A message of 4 GiB is refused by its length alone, so untouched memory suffices and costs nothing.
  if (size > kcom5::max_message_size) {
    text.resize_and_overwrite(size, [](char*, std::size_t all) { return all; });
    return text;
  }
#endif
  text.resize(size);
  return text;
}

std::string message_of(const json& message) {
  if (message.is_string()) return message;
  if (message.value("fill", "") == "00") return zeros(message.at("size"));
  const Bytes octets = bytes_of(message);
  return {octets.begin(), octets.end()};
}

void send(const json& request) {
  kcom5::Server server;
  configure(server, request);
  server.message = message_of(request.value("message", json("")));
  server.listening = [&](int port) { answer({{"listening", server.path.empty() ? json(port) : request.at("path")}}); };
  const json data = request.value("data", json{{"hex", ""}});
  const kcom5::Sent sent =
      data.contains("file") ? server.send_file(data["file"].get<std::string>()) : server.send(bytes_of(data));
  answer({{"ok", true}, {"confirmed", sent.confirmed}});
}

void receive(const json& request, kcom5::Client& client) {
  configure(client, request);
  client.message = request.value("message", "");
  const json limits = request.value("limits", json::object());
  client.limits.message = limits.value("message", client.limits.message);
  client.limits.data = limits.value("data", client.limits.data);
  client.message_file = request.value("message_file", "");
  json data;
  if (request.contains("to")) {
    const std::string file = request.at("to").at("file");
    client.receive_file(file);
    // Bytes that went into a pipe cannot be read again.
    if (!std::filesystem::is_regular_file(file)) return answer({{"ok", true}, {"message", client.message}});
    data = describe_file(file);
  } else {
    data = describe(client.receive().bytes());
  }
  answer({{"ok", true}, {"message", client.message}, {"data", data}});
}

void serve(const json& request, kcom5::Client& client) {
  const std::string op = request.at("op");
  if (op == "about") {
    answer({{"name", "kcom5-cpp"},
            {"version", KCOM5_VERSION},
            {"language", "c++"},
            {"supports",
             {"pack", "send", "receive", "tcp4", "tcp6", "unix", "port-zero", "limits", "file", "message",
              "message-file"}}});
  } else if (op == "pack") {
    answer({{"address", kcom5::pack(number(request.at("port")), from_hex(request.at("key")))}});
  } else if (op == "unpack") {
    const kcom5::Address address = kcom5::unpack(request.at("address").get<std::string>());
    answer({{"port", address.port}, {"key", to_hex(address.key)}});
  } else if (op == "send") {
    send(request);
  } else if (op == "receive") {
    receive(request, client);
  } else {
    throw Unsupported{};
  }
}

void serve_lines() {
  for (std::string line; std::getline(std::cin, line);) {
    const json request = json::parse(line);
    kcom5::Client client;
    try {
      serve(request, client);
    } catch (const Unsupported&) {
      answer({{"unsupported", true}});
    } catch (const kcom5::Failure& failure) {
      json error{{"error", kcom5::name(failure.error())}, {"detail", failure.detail()}};
      if (request["op"] == "receive" && request.contains("message")) error["message"] = client.message;
      answer(error);
    }
  }
}

}  // namespace

int main() {
  try {
    serve_lines();
    return 0;
  } catch (const std::exception& problem) {
    (void)std::fprintf(stderr, "kcom5-adapter: %s\n", problem.what());
    return 1;
  }
}
