// What head and address cost in C++, and how often they allocate. Spec: "Wire format", "Address".
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <kcom5/kcom5.hpp>
#include <new>
#include <string>
#include <system_error>
#include <vector>

namespace {
std::size_t allocations = 0;
}  // namespace

// Every allocation of this program comes by here.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

constexpr kcom5::Nonce nonce{1, 2, 3};

template <class Work>
void run(benchmark::State& state, Work work) {
  const std::size_t before = allocations;
  for (auto _ : state) work();
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations - before), benchmark::Counter::kAvgIterations);
}

/// A server takes a hello and has its head ready: echo and both lengths.
void head_encode(benchmark::State& state) {
  const kcom5::Hello hello = kcom5::make_hello(nonce);
  run(state, [&] {
    kcom5::ServerExchange exchange{"", 1 << 20};
    exchange.on(kcom5::Event::connected);
    exchange.feed(hello);
    auto head = exchange.head();
    benchmark::DoNotOptimize(head);
  });
}
BENCHMARK(head_encode);

/// A client takes echo and head, up to the data.
void head_decode(benchmark::State& state) {
  std::vector<std::uint8_t> octets;
  kcom5::ServerExchange server{"", 1 << 20};
  server.on(kcom5::Event::connected);
  server.feed(kcom5::make_hello(nonce));
  for (const kcom5::ByteView piece : server.head()) octets.insert(octets.end(), piece.begin(), piece.end());
  run(state, [&] {
    kcom5::ClientExchange exchange{nonce};
    exchange.on(kcom5::Event::connected);
    exchange.feed(octets);
    if (exchange.state() != kcom5::ClientState::data) state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(exchange);
  });
}
BENCHMARK(head_decode);

void pack(benchmark::State& state) {
  std::vector<std::uint8_t> key(48);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  run(state, [&] {
    std::error_code ec;
    std::string address = kcom5::pack(13600, key, ec);
    if (ec) state.SkipWithError("not packed");
    benchmark::DoNotOptimize(address);
  });
}
BENCHMARK(pack);

void unpack(benchmark::State& state) {
  std::vector<std::uint8_t> key(48);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  std::error_code ec;
  const std::string text = kcom5::pack(13600, key, ec);
  run(state, [&] {
    kcom5::Address address = kcom5::unpack(text, ec);
    if (ec) state.SkipWithError("not unpacked");
    benchmark::DoNotOptimize(address);
  });
}
BENCHMARK(unpack);

}  // namespace

BENCHMARK_MAIN();
