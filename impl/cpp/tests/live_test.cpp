// Replays every conversation over real sockets, on each transport, many side by side.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "kcom5/kcom5.hpp"
#include "peer.hpp"
#include "vectors.hpp"

namespace kcom5::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// What the implementation gave.
struct Ended {
  std::string error;  // empty: success
  std::string detail;
  std::string message;
  Bytes data;
  bool confirmed = false;
  Clock::time_point at;
};

template <class Call>
Ended ended_by(Call call) {
  Ended ended;
  try {
    call(ended);
  } catch (const Failure& failure) {
    ended.error = name(failure.error());
    ended.detail = failure.detail();
  }
  ended.at = Clock::now();
  return ended;
}

void configure(Options& options, const Conversation& c, const Place& place, int close) {
  options.timeout = timeout_of(close);
  options.ipv6 = place.is_ipv6();
  if (place.is_unix()) options.path = place.path();
  if (!c.default_port) options.port = c.port.value_or(place.port);
}

class Replay {
 public:
  /// `scale`: by what T is multiplied, unless it is what the conversation is about, or promptness.
  Replay(const Conversation& c, const std::string& via, int scale)
      : c_{c},
        scale_{c.close && *c.close > 0 && *c.close < 30 && !c.outcome.within ? scale : 1},
        close_{c.close.value_or(30) * scale_},
        place_{via} {}

  /// Throws Unexpected, or CannotRun.
  void run() {
    // Before anything listens: a server that nobody dials fails in another way.
    if (c_.setup == "other-user") run_as_other_user([] {});
    if (place_.is_ipv6() && !why_no_ipv6().empty()) throw CannotRun{why_no_ipv6()};
    static std::mutex at_the_default_port;  // one at a time: they run side by side
    std::unique_lock<std::mutex> alone;
    if (c_.default_port) {
      alone = std::unique_lock{at_the_default_port};
      place_.port = default_port;
    }
    set_up();
    for (int i = 0; i < c_.times; ++i) {
      if (c_.is_server) {
        replay_against_server();
      } else {
        replay_against_client();
      }
    }
    if (c_.outcome.nonce_differs && nonces_.size() < 2) throw Unexpected{"the nonces do not differ"};
  }

 private:
  milliseconds period() const { return std::chrono::seconds{close_ > 0 ? close_ : 1}; }

  void set_up() {
    if (c_.setup == "taken") listener_ = Peer::listen(place_);
    if (c_.setup == "stale") Peer::listen(place_);
    if (c_.setup == "file") std::ofstream{place_.path()} << "not a socket";
    if (c_.setup == "other-user") {
      ::chmod(place_.folder().c_str(), 0777);
    }
    if (c_.is_server) return;
    if (c_.setup == "self") return;
    if (c_.setup == "nobody" && !place_.is_unix()) Peer::listen(place_);  // a port that was free a moment ago
    if (c_.setup == "full") {
      listener_ = Peer::listen(place_, 0);
      strangers_.push_back(Peer::dial(place_));
    } else if (c_.setup != "nobody") {
      const auto listen = [&] { listener_ = Peer::listen(place_); };
      if (c_.setup == "other-user") {
        run_as_other_user(listen);
      } else {
        listen();
      }
    }
  }

  /// In a thread of its own: what it starts is another user too.
  template <class Call>
  static void run_as_other_user(Call call) {
    std::async(std::launch::async, [&] {
      become_other_user();
      call();
    }).get();
  }

  void replay_against_server() {
    connected_ = last_act_ = Clock::now();
    const bool kept = c_.outcome.path == "kept";
    std::promise<int> listening;
    std::future<int> port = listening.get_future();
    std::future<Ended> result = std::async(std::launch::async, [&] {
      bool told = false;
      Ended ended = ended_by([&](Ended& success) {
        Server server;
        configure(server, c_, place_, close_);
        server.message = c_.message;
        server.listening = [&](int chosen) {
          told = true;
          listening.set_value(chosen);
        };
        success.confirmed = server.send(c_.data).confirmed;
      });
      if (!told) listening.set_value(-1);
      return ended;
    });
    const int chosen = port.get();
    std::exception_ptr fault;
    try {
      if (chosen >= 0) {
        if (!place_.is_unix()) place_.port = chosen;
        if (c_.default_port && chosen != default_port) throw Unexpected{"port " + std::to_string(chosen)};
        const auto dial = [&] {
          last_act_ = connected_ = Clock::now();
          first_ = Peer::dial(place_);
        };
        const bool connects = std::ranges::any_of(c_.steps, [](const Step& s) { return s.name == "connect"; });
        if (c_.setup == "other-user") {
          ::chmod(place_.path().c_str(), 0666);
          run_as_other_user(dial);
        } else if (c_.setup != "nobody" && !connects && !c_.steps.empty()) {
          dial();
        }
        play(result);
      }
    } catch (...) {
      fault = std::current_exception();
      first_ = Peer{};
    }
    expect_outcome(result.get());
    if (fault) std::rethrow_exception(fault);
    if (!c_.outcome.path.empty() && std::filesystem::exists(std::filesystem::symlink_status(place_.path())) != kept) {
      throw Unexpected{kept ? "the file was removed" : "the file is still there"};
    }
  }

  void replay_against_client() {
    const auto call = [&](Ended& ended) {
      Client client;
      configure(client, c_, place_, close_);
      client.limits = c_.limits;
      const Buffer data = client.receive();
      ended.message = client.message;
      ended.data = data.to_vector();
    };
    if (c_.setup == "self") {
      enter_network_with_one_port(place_.port = 40000);
      expect_outcome(ended_by(call));
      return;
    }
    connected_ = last_act_ = Clock::now();
    std::future<Ended> result = std::async(std::launch::async, [&] { return ended_by(call); });
    std::exception_ptr fault;
    try {
      if (listener_.socket() >= 0 && c_.setup != "full" && !c_.steps.empty()) first_ = listener_.accept();
      play(result);
    } catch (...) {
      fault = std::current_exception();
      first_ = Peer{};
    }
    expect_outcome(result.get());
    if (fault) std::rethrow_exception(fault);
  }

  void play(std::future<Ended>& result) {
    for (const Step& step : c_.steps) {
      const bool acts = step.name == "send" || step.name == "half-close";
      if (acts) last_act_ = Clock::now();
      if (step.name == "send") {
        first_.send(resolve(step.octets, nonce_));
      } else if (step.name == "expect") {
        expect(step.octets);
      } else if (step.name == "expect-nothing") {
        first_.expect_nothing();
      } else if (step.name == "expect-end") {
        first_.expect_end(!c_.outcome.ok);
      } else if (step.name == "expect-reset") {
        first_.expect_reset();
      } else if (step.name == "expect-refused") {
        expect_refused(step.argument);
      } else if (step.name == "expect-mode") {
        struct stat status{};
        ::stat(place_.path().c_str(), &status);
        if ((status.st_mode & 07777) != std::stoul(step.argument, nullptr, 8)) throw Unexpected{"the mode"};
      } else if (step.name == "replace-file") {
        std::filesystem::rename(place_.path(), place_.path().string() + "-moved");
        std::ofstream{place_.path()} << "somebody else's";
      } else if (step.name == "connect") {
        last_act_ = connected_ = Clock::now();
        first_ = Peer::dial(place_);
      } else if (step.name == "half-close") {
        first_.half_close();
      } else if (step.name == "close") {
        first_.close();
      } else if (step.name == "reset") {
        first_.reset();
      } else if (step.name == "pause") {
        pause(step.argument == "tick" ? milliseconds{3} : step.argument == "half" ? period() / 2 : period() * 3 / 5);
      } else if (step.name == "stall") {
        result.wait();
      } else {
        throw Unexpected{"a step that this test does not know: " + step.name};
      }
    }
    result.wait();  // only then may the peer's sockets go
  }

  void expect(const Pattern& octets) {
    const bool is_hello = std::ranges::any_of(octets, [](const PatternOctet& o) { return o.nonce >= 0; });
    if (is_hello && !c_.is_server) {
      const Bytes hello = first_.read(octets.size());
      std::copy(hello.end() - 3, hello.end(), nonce_.begin());
      nonces_.insert(nonce_);
      if (hello != resolve(octets, nonce_)) throw Unexpected{"not a hello"};
    } else {
      first_.expect(resolve(octets, nonce_));
    }
  }

  void expect_refused(const std::string& address) const {
    try {
      const Peer stranger = Peer::dial(place_, address);
      stranger.expect_end(true);
    } catch (const Unexpected& refusal) {
      if (std::string{refusal.what()}.starts_with("connect")) return;
      throw;
    }
  }

  void expect_outcome(const Ended& ended) const {
    if (ended.error != c_.outcome.error) {
      throw Unexpected{"ended with '" + ended.error + "' (" + ended.detail + "), expected '" + c_.outcome.error + "'"};
    }
    if (c_.outcome.ok && !c_.is_server && (ended.message != c_.outcome.message || ended.data != c_.outcome.data)) {
      throw Unexpected{"delivered something else"};
    }
    if (c_.outcome.confirmed && ended.confirmed != *c_.outcome.confirmed) {
      throw Unexpected{ended.confirmed ? "confirmed" : "not confirmed"};
    }
    // No later than this did the bound start that ended it: `time.bounds`. Only within the frame does an octet restart
    // it.
    const bool restarts = c_.rule != "time.handshake" && !c_.steps.empty() && c_.steps.back().name == "stall";
    const auto took = ended.at - (restarts ? last_act_ : connected_);
    if (c_.outcome.after && took < std::chrono::seconds{*c_.outcome.after * scale_})
      throw Unexpected{"ended too early"};
    if (c_.outcome.within && took > std::chrono::seconds{*c_.outcome.within}) throw Unexpected{"ended too late"};
  }

  const Conversation& c_;
  int scale_;
  int close_;  // T
  Place place_;
  Peer listener_;
  std::vector<Peer> strangers_;
  Peer first_;
  Nonce nonce_{};
  std::set<Nonce> nonces_;
  Clock::time_point connected_;
  Clock::time_point last_act_;
};

struct Job {
  const Conversation* conversation;
  std::string via;
};

struct Report {
  std::mutex mutex;
  std::vector<std::string> faults;
  std::vector<Job> failed;
  std::vector<std::string> not_run;
};

/// Many side by side: most of them wait.
void run(const std::vector<Job>& jobs, Report& report, int at_a_time = 24, int scale = 1) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      const std::string id = jobs[i].conversation->id + " over " + jobs[i].via;
      // A thread for each: it may enter another network, for good.
      std::thread{[&] {
        try {
          Replay{*jobs[i].conversation, jobs[i].via, scale}.run();
        } catch (const CannotRun& reason) {
          const std::lock_guard lock{report.mutex};
          report.not_run.push_back(id + ": " + reason.what());
        } catch (const std::exception& fault) {
          const std::lock_guard lock{report.mutex};
          report.faults.push_back(id + ": " + fault.what());
          report.failed.push_back(jobs[i]);
        }
      }}.join();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < at_a_time; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
}

TEST(Live, EveryConversationEndsAsItSaysOnEveryTransport) {
  // Those with a T of their own apart from those that keep the processor busy: a peer that comes late is another peer.
  std::vector<Job> timed;
  std::vector<Job> others;
  for (const Conversation& c : conversations()) {
    for (const std::string& via : c.via) (c.close ? timed : others).push_back({&c, via});
  }
  Report report;
  run(timed, report);
  // On a busy machine the peer misses its own times: what failed has to be right alone, or with a longer T.
  for (int scale = 1; scale <= 8 && !report.failed.empty(); scale *= 2) {
    const std::vector<Job> again = std::exchange(report.failed, {});
    report.faults.clear();
    run(again, report, 1, scale);
  }
  run(others, report);
  for (const std::string& fault : report.faults) ADD_FAILURE() << fault;
  const std::size_t all = timed.size() + others.size();
  std::cout << "live: " << all - report.not_run.size() << " of " << all << " conversations run\n";
  for (const std::string& reason : report.not_run) std::cout << "NOT RUN: " << reason << '\n';
}

}  // namespace
}  // namespace kcom5::test
