// Our C++ library between two processes, and in one. What the arguments mean: common.hpp.
#include <kcom5/kcom5.hpp>

#include "common.hpp"

namespace {

void set_place(kcom5::Options& options, std::string_view via, int port) {
  options.port = port;
  options.ipv6 = via == "ipv6";
  if (!options.ipv6 && via != "ipv4") options.path = via;
}

void send(bool is_file, std::string_view via, std::size_t size, const char* file) {
  kcom5::Server server;
  set_place(server, via, 0);
  server.listening = bench::tell_port;
  const std::vector<std::uint8_t> data = is_file ? std::vector<std::uint8_t>{} : bench::sample(size);
  const bench::Stopwatch watch;
  if (is_file) {
    server.send_file(file);
  } else {
    server.send(data);
  }
  watch.print_cpu();
}

void receive(bool is_file, std::string_view via, int port, std::size_t size, const char* file) {
  kcom5::Client client;
  set_place(client, via, port);
  kcom5::Buffer data;
  const bench::Stopwatch watch;
  if (is_file) {
    client.receive_file(file);
  } else {
    data = client.receive();
  }
  watch.print_all();
  if (!is_file) bench::check_sample(data.bytes(), size);
}

void small(std::string_view via, std::size_t count) {
  const std::vector<std::uint8_t> data = bench::sample(64);
  kcom5::Server server;
  kcom5::Client client;
  set_place(server, via, 0);
  const auto open = [&] { return server.open(); };
  const auto take = [&](int port) {
    set_place(client, via, port);
    bench::check_sample(client.receive().bytes(), data.size());
  };
  bench::print_small(count, open, [&] { server.send(data); }, take);
}

}  // namespace

int main(int count, char** arguments) try {
  const std::vector<std::string_view> words(arguments + 1, arguments + count);
  if (words.size() == 2 && words[1] == "idle") return 0;
  if (words.size() == 4 && words[1] == "small") {
    small(words[2], bench::number(words[3]));
  } else if (words.size() == 6 && words[1] == "send") {
    send(words[2] == "file", words[3], bench::number(words[4]), arguments[6]);
  } else if (words.size() == 7 && words[1] == "receive") {
    receive(words[2] == "file", words[3], static_cast<int>(bench::number(words[4])), bench::number(words[5]),
            arguments[7]);
  } else {
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 4;
}
