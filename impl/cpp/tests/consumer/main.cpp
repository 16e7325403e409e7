// Hands "hello" from one thread to another, with nothing but the installed headers and library.
#include <kcom5/kcom5.hpp>

#include <cstdio>
#include <future>

int main() {
  kcom5::Server server;
  server.port = 0;
  server.msg = "greeting";
  kcom5::Client client;
  client.port = server.open();
  auto received = std::async(std::launch::async, [&] { return client.receive(); });
  server.send(kcom5::octets_of("hello"));
  const kcom5::Buffer data = received.get();
  const bool right = data.text() == "hello" && client.msg == "greeting";
  std::puts(right ? "handed over" : "something else arrived");
  return right ? 0 : 1;
}
