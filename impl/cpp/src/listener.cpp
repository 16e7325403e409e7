// See listener.hpp. Spec: `listen.loopback`, `listen.exclusive`, `listen.one-client`, `time.wait`.
#include "listener.hpp"

#include <string>

#include "kcom5/failure.hpp"
#include "stream.hpp"
#include "words.hpp"

namespace kcom5 {

Listener::Listener(const Options& options, const std::atomic<bool>& cancelled)
    : options_{options}, cancelled_{cancelled}, deadline_{options.timeout} {
  if (options.path.empty()) {
    listen_on_loopback();
  } else {
    listen_on_path();
  }
  deadline_.restart();
}

void Listener::check(const std::error_code& ec) const {
  if (ec) throw failure_of(ec, place_of(options_));
}

void Listener::listen_on_loopback() {
  std::error_code ec;
  const system::Endpoint endpoint = system::loopback(options_.ipv6, options_.port);
  socket_ = system::open_socket(endpoint, ec);
  check(ec);
  ec = system::bind(socket_.get(), endpoint);
  if (!ec) ec = system::listen(socket_.get());
  if (ec == std::errc::address_in_use) {
    throw Failure{Error::in_use, place_of(options_) + " is in use by another program"};
  }
  check(ec);
  options_.port = system::port_of(system::local_endpoint(socket_.get(), ec));
  check(ec);
}

void Listener::listen_on_path() {
  name_.emplace(options_.path, deadline_, cancelled_);
  std::error_code ec;
  const system::Endpoint endpoint = system::endpoint_of_path(options_.path.native());
  socket_ = system::open_socket(endpoint, ec);
  check(ec);
  ec = system::bind(socket_.get(), endpoint);
  // A server that takes no lock bound the name first.
  if (ec == std::errc::address_in_use) {
    throw Failure{Error::in_use, place_of(options_) + ": another server listens there"};
  }
  check(ec);
  name_->bound();
  check(system::listen(socket_.get()));
  name_->unlock();
}

system::Descriptor Listener::accept() {
  for (;;) {
    // The deadline is read before the queue, so a client that came at the last moment is accepted.
    const bool has_passed = deadline_.passed();
    system::wait(socket_.get(), {.read = true}, deadline_.left(glance));
    if (cancelled_) throw cancelled_failure();
    std::error_code ec;
    system::Descriptor socket = system::accept(socket_.get(), ec);
    if (!ec) return socket;
    if (ec != std::errc::operation_would_block) check(ec);
    if (has_passed) {
      throw Failure{Error::timeout,
                    "no client connected to " + place_of(options_) + " within " + in_seconds(options_.timeout)};
    }
  }
}

}  // namespace kcom5
