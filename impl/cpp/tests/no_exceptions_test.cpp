// A program that is compiled with -fno-exceptions, and uses the library by its codes.
#include <cstdio>
#include <system_error>
#include <thread>

#include "kcom5/kcom5.hpp"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "no_exceptions_test: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  std::error_code ec;
  expect(kcom5::pack(13600, kcom5::bytes_of("k"), ec) == "13600.6b" && !ec, "pack");
  (void)kcom5::unpack("no", ec);
  expect(kcom5::error_of(ec) == kcom5::Error::invalid_address, "unpack");

  kcom5::Server server;
  server.port = 0;
  server.ipv6 = false;
  server.timeout = std::chrono::seconds{5};
  server.message = "hi";
  kcom5::Client client;
  client.ipv6 = false;
  client.timeout = std::chrono::seconds{5};
  client.port = server.open(ec);
  expect(!ec, "open");
  std::thread receiver{[&] {
    std::error_code code;
    expect(client.receive(code).text() == "data" && !code, "receive");
    expect(client.message == "hi", "the message");
  }};
  const kcom5::Sent sent = server.send(kcom5::bytes_of("data"), ec);
  receiver.join();
  expect(!ec && sent.size == 4 && sent.confirmed, "send");

  client.port = 1;
  (void)client.receive(ec);
  expect(ec == kcom5::Error::refused, "nobody listens");
  client.receive_file("/nowhere/file", ec);
  expect(ec == std::errc::no_such_file_or_directory, "a file that cannot be made");
  expect(kcom5::error_of(ec) == kcom5::Error::io, "an error of the system");
  // The port is looked at before the file.
  client.port = 0;
  client.receive_file("/nowhere/file", ec);
  expect(ec == kcom5::Error::invalid_port, "a client's port");
  server.port = 65536;
  server.send_file("/nowhere/file", ec);
  expect(ec == kcom5::Error::invalid_port, "a server's port");
  return failures == 0 ? 0 : 1;
}
