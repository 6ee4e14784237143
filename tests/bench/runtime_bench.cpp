// runtime_bench: what the runtime's own operations cost, each beside the same thing done with OS threads.
//
//     runtime_bench [--full | --smoke] [--rounds N] [NAME...]
//
// Names: switch spawn_join channel_round_trip (and _pinned) channel_buffered parked skynet sleepers cold_stacks wake_beside_hogs
// thread_spawn_join thread_round_trip. Memory is only telling when `parked` runs alone in its process, as tests/bench/run.py does.
// Those of the runtime without hogs have a twin in go/twins.go that does the same operations: change both together.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/bench/cold_stacks.hpp"
#include "tests/support/bench.hpp"

namespace {

using reeve::bench::Bench;
using reeve::bench::clock_ns;

reeve::Config with_workers(unsigned workers) {
    reeve::Config config = reeve::Config::from_env();
    config.workers = workers;
    return config;
}

// Runs `body` as the main fiber and returns the nanoseconds it took, without starting and ending the runtime.
template <class Body>
std::int64_t timed(unsigned workers, Body body) {
    std::int64_t ns = 0;
    reeve::run(with_workers(workers), [&] {
        const std::int64_t start = clock_ns();
        body();
        ns = clock_ns() - start;
    });
    return ns;
}

// Two fibers that do nothing but let each other go on: each yield is one switch.
std::int64_t switches(std::uint64_t n) {
    return timed(1, [n] {
        const auto yield_half = [n] {
            for (std::uint64_t i = 0; i < n / 2; ++i) reeve::this_fiber::yield();
        };
        auto other = reeve::spawn(yield_half);
        yield_half();
        other.join();
    });
}

std::int64_t spawn_join(unsigned workers, std::uint64_t n) {
    return timed(workers, [n] {
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < n; ++i) sum += reeve::spawn([i] { return i; }).join();
        reeve::bench::keep(sum);
    });
}

// A thousand at a time: what a request that fans out does.
std::int64_t spawn_join_batch(unsigned workers, std::uint64_t n) {
    return timed(workers, [n] {
        constexpr std::uint64_t k_batch = 1000;
        std::vector<reeve::Join<std::uint64_t>> joins;
        joins.reserve(k_batch);
        std::uint64_t sum = 0;
        for (std::uint64_t done = 0; done < n; done += k_batch) {
            for (std::uint64_t i = 0; i < k_batch; ++i) joins.push_back(reeve::spawn([i] { return i; }));
            for (auto& join : joins) sum += join.join();
            joins.clear();
        }
        reeve::bench::keep(sum);
    });
}

void round_trips(std::uint64_t n, bool is_pinned) {
    reeve::Channel<std::uint64_t> there;
    reeve::Channel<std::uint64_t> back;
    const auto stay = [is_pinned](std::optional<reeve::PinToThread>& pin) {
        if (is_pinned) pin.emplace();
    };
    auto echo = reeve::spawn([there, back, stay] {
        std::optional<reeve::PinToThread> pin;
        stay(pin);
        for (const std::uint64_t value : there) (void)back.send(value + 1);
    });
    std::optional<reeve::PinToThread> pin;
    stay(pin);
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
        (void)there.send(value);
        value = back.recv().value();
    }
    there.close();
    echo.join();
    if (value != n) reeve::fatal("channel_round_trip: %llu of %llu", (unsigned long long)value, (unsigned long long)n);
}

std::int64_t channel_round_trip(std::uint64_t n) {
    return timed(1, [n] { round_trips(n, false); });
}

// Two fibers that would soon share a processor are kept on threads of their own: every message wakes one.
std::int64_t channel_round_trip_pinned(std::uint64_t n) {
    return timed(2, [n] { round_trips(n, true); });
}

std::int64_t channel_buffered(unsigned workers, std::uint64_t n) {
    return timed(workers, [n] {
        reeve::Channel<std::uint64_t> channel(128);
        auto producer = reeve::spawn([channel, n] {
            for (std::uint64_t i = 0; i < n; ++i) (void)channel.send(i);
            channel.close();
        });
        std::uint64_t count = 0;
        for (const std::uint64_t value : channel) count += value >= count ? 1 : 0;
        producer.join();
        if (count != n) reeve::fatal("channel_buffered: %llu of %llu", (unsigned long long)count, (unsigned long long)n);
    });
}

// Ten children per node, a channel per node, n leaves.
void skynet_node(const reeve::Channel<std::uint64_t>& parent, std::uint64_t number, std::uint64_t leaves) {
    if (leaves == 1) {
        (void)parent.send(number);
        return;
    }
    reeve::Channel<std::uint64_t> children;
    for (std::uint64_t i = 0; i < 10; ++i)
        reeve::go([children, number, leaves, i] { skynet_node(children, number + i * (leaves / 10), leaves / 10); });
    std::uint64_t sum = 0;
    for (int i = 0; i < 10; ++i) sum += children.recv().value();
    (void)parent.send(sum);
}

std::int64_t skynet(unsigned workers, std::uint64_t leaves) {
    return timed(workers, [leaves] {
        reeve::Channel<std::uint64_t> result;
        reeve::go([result, leaves] { skynet_node(result, 0, leaves); });
        if (result.recv().value() != leaves * (leaves - 1) / 2) reeve::fatal("skynet: wrong sum");
    });
}

// Resident memory and page tables of fibers that wait, with stacks of the default size.
void parked(const Bench& bench) {
    if (!bench.is_wanted("parked")) return;
    const std::uint64_t n = bench.size({.small = 100'000, .real = 1'000'000});
    reeve::run(with_workers(2), [n] {
        reeve::Channel<int> gate;
        std::atomic<std::uint64_t> arrived{0};
        reeve::WaitGroup left;
        const std::uint64_t resident = reeve::bench::status_bytes("VmRSS");
        const std::uint64_t tables = reeve::bench::status_bytes("VmPTE");
        const std::int64_t start = clock_ns();
        for (std::uint64_t i = 0; i < n; ++i) {
            left.add(1);
            reeve::go([&gate, &left, &arrived] {
                arrived.fetch_add(1, std::memory_order_relaxed);
                (void)gate.recv();
                left.done();
            });
        }
        while (arrived.load(std::memory_order_relaxed) < n) (void)reeve::sleep_for(std::chrono::milliseconds(10));
        const std::int64_t started = clock_ns();
        (void)reeve::sleep_for(std::chrono::milliseconds(100));
        const auto count = static_cast<double>(n);
        const double resident_each = static_cast<double>(reeve::bench::status_bytes("VmRSS") - resident) / count;
        const double tables_each = static_cast<double>(reeve::bench::status_bytes("VmPTE") - tables) / count;
        const std::int64_t closing = clock_ns();
        gate.close();
        (void)left.wait();
        Bench::report("parked", {{"n", count}},
                      {{"bytes_each", resident_each + tables_each},
                       {"resident_each", resident_each},
                       {"page_tables_each", tables_each},
                       {"start_ns_each", static_cast<double>(started - start) / count},
                       {"wake_and_end_ns_each", static_cast<double>(clock_ns() - closing) / count}});
    });
}

// 100,000 fibers that each sleep once, 1 to 100 ms. The CPU time is that of the whole process, starts and ends included.
void sleepers(const Bench& bench) {
    if (!bench.is_wanted("sleepers")) return;
    constexpr int k_rounds = 5;
    const std::uint64_t n = bench.size({.small = 100'000, .real = 100'000});
    std::vector<double> late_us;
    std::vector<double> cpu_us_each;
    reeve::run(with_workers(2), [&] {
        std::vector<std::int64_t> late_ns(n);
        for (int round = -1; round < k_rounds; ++round) {  // the first one is warming up
            reeve::WaitGroup left;
            const std::int64_t cpu = reeve::bench::cpu_ns();
            for (std::uint64_t i = 0; i < n; ++i) {
                left.add(1);
                reeve::go([&left, &late_ns, i] {
                    const auto duration = static_cast<std::int64_t>(1'000'000 + i * 7919 % 99'001 * 1000);
                    const std::int64_t start = clock_ns();
                    (void)reeve::sleep_for(std::chrono::nanoseconds(duration));
                    late_ns[i] = clock_ns() - start - duration;
                    left.done();
                });
            }
            (void)left.wait();
            if (round < 0) continue;
            cpu_us_each.push_back(static_cast<double>(reeve::bench::cpu_ns() - cpu) / 1000 / static_cast<double>(n));
            for (const std::int64_t ns : late_ns) late_us.push_back(static_cast<double>(ns) / 1000);
        }
    });
    using reeve::bench::quantile;
    Bench::report("sleepers", {{"workers", 2}, {"n", static_cast<double>(n)}, {"rounds", k_rounds}},
                  {{"late_p50_us", quantile(late_us, 0.5)},
                   {"late_p99_us", quantile(late_us, 0.99)},
                   {"late_max_us", quantile(late_us, 1)},
                   {"cpu_us_each", quantile(cpu_us_each, 0.5)}});
}

// How late a sleeper of 1 ms wakes beside fibers that never let go: the number preemption is for.
void wake_beside_hogs(const Bench& bench, unsigned workers, unsigned hogs) {
    if (!bench.is_wanted("wake_beside_hogs")) return;
    const std::uint64_t n = bench.size({.small = 300, .real = 3000});
    std::vector<double> late_us;
    reeve::run(with_workers(workers), [&] {
        std::atomic<bool> stop{false};
        std::vector<reeve::Join<void>> spinning;
        for (unsigned i = 0; i < hogs; ++i)
            spinning.push_back(reeve::spawn([&stop] {
                while (!stop.load(std::memory_order_relaxed)) {
                }
            }));
        for (std::uint64_t i = 0; i < n; ++i) {
            const std::int64_t due = clock_ns() + 1'000'000;
            (void)reeve::sleep_for(std::chrono::milliseconds(1));
            late_us.push_back(static_cast<double>(clock_ns() - due) / 1000);
        }
        stop = true;
        for (auto& join : spinning) join.join();
    });
    using reeve::bench::quantile;
    Bench::report("wake_beside_hogs",
                  {{"workers", workers}, {"hogs", hogs}, {"n", static_cast<double>(n)}},
                  {{"late_p50_us", quantile(late_us, 0.5)},
                   {"late_p99_us", quantile(late_us, 0.99)},
                   {"late_max_us", quantile(late_us, 1)}});
}

std::int64_t thread_spawn_join(std::uint64_t n) {
    const std::int64_t start = clock_ns();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < n; ++i) std::thread([&sum, i] { sum += i; }).join();
    reeve::bench::keep(sum);
    return clock_ns() - start;
}

std::int64_t thread_round_trip(std::uint64_t n) {
    std::mutex mutex;
    std::condition_variable changed;
    std::uint64_t turn = 0;
    const auto play = [&](std::uint64_t parity) {
        for (std::uint64_t i = 0; i < n; ++i) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return turn % 2 == parity; });
            ++turn;
            changed.notify_one();
        }
    };
    const std::int64_t start = clock_ns();
    std::thread other([&] { play(1); });
    play(0);
    other.join();
    return clock_ns() - start;
}

}  // namespace

int main(int argc, char** argv) {
    Bench bench(argc, argv);
    parked(bench);
    bench.time("switch", {{"workers", 1}}, {1'000'000, 20'000'000}, switches);
    for (const unsigned workers : {1u, 2u}) {
        const reeve::bench::Fields params{{"workers", workers}};
        bench.time("spawn_join", params, {200'000, 2'000'000}, [=](auto n) { return spawn_join(workers, n); });
        bench.time("spawn_join_batch", params, {200'000, 2'000'000},
                   [=](auto n) { return spawn_join_batch(workers, n); });
        bench.time("channel_buffered", params, {500'000, 10'000'000},
                   [=](auto n) { return channel_buffered(workers, n); });
    }
    bench.time("channel_round_trip", {{"workers", 1}}, {300'000, 5'000'000}, channel_round_trip);
    bench.time("channel_round_trip_pinned", {{"workers", 2}}, {20'000, 200'000}, channel_round_trip_pinned);
    if (bench.is_wanted("skynet")) {
        const std::uint64_t leaves = bench.size({.small = 100'000, .real = 1'000'000});
        std::vector<double> ms;
        for (int round = 0; round < 3; ++round) ms.push_back(static_cast<double>(skynet(2, leaves)) / 1e6);
        Bench::report("skynet", {{"workers", 2}, {"leaves", static_cast<double>(leaves)}},
                      {{"ms", reeve::bench::quantile(ms, 0.5)}, {"ms_min", reeve::bench::quantile(ms, 0)}});
    }
    sleepers(bench);
    reeve::bench::report_cold_stacks(bench);
    for (const unsigned hogs : {0u, 4u, 16u}) wake_beside_hogs(bench, 2, hogs);
    bench.time("thread_spawn_join", {}, {2'000, 20'000}, thread_spawn_join);
    bench.time("thread_round_trip", {}, {20'000, 200'000}, thread_round_trip);
}
