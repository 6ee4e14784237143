// share_bench: who gets how much of the machine: fibers that compute, against each other, against short requests, and against
// plain threads that do the same.
//
//     share_bench [--full | --smoke] [NAME...]
//
// Names:
//   spinner_shares   16 fibers that spin: does each get as much as the others; _talk, _stream: also while requests come all
//                    the time, between fibers that stay, or with a fiber for each
//   throughput       4 fibers that compute, against two plain threads with the same work to do (and against 4 threads)
//   contended_mutex  8 fibers on one std::mutex, against 8 plain threads
//
// Against threads: runs in pairs that change their order, and the median of the pairs' ratios, because the machines these run
// on are noisy. Where a figure has a bound the line says so and whether it holds (1 or 0). Whatever REEVE_* asks for is used,
// but for the number of workers.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/bench/spinners.hpp"
#include "tests/bench/work.hpp"
#include "tests/support/bench.hpp"

namespace {

using reeve::bench::Bench;
using reeve::bench::clock_ns;
using reeve::bench::compute;
using reeve::bench::Fields;
using reeve::bench::quantile;
using reeve::bench::read_clock;
using reeve::bench::Spinners;
using reeve::bench::with_workers;

constexpr unsigned k_workers = 2;

reeve::Duration milliseconds(std::uint64_t ms) { return std::chrono::milliseconds(ms); }

// --- shares -----------------------------------------------------------------------------------------------------------

enum class Requests { none, talk, stream };

// Requests without end, enough for all processors, until the end of its scope.
class Traffic {
public:
    Traffic(Requests kind, std::uint64_t request_steps) {
        for (unsigned i = 0; i < k_workers && kind != Requests::none; ++i) {
            if (kind == Requests::talk)
                talk(request_steps);
            else
                stream(request_steps);
        }
    }
    ~Traffic() {
        stop_ = true;
        for (auto& join : joins_) join.join();
    }
    Traffic(const Traffic&) = delete;
    Traffic& operator=(const Traffic&) = delete;

    [[nodiscard]] double answered() const { return static_cast<double>(answered_.load(std::memory_order_relaxed)); }

private:
    // Two fibers that ask and answer.
    void talk(std::uint64_t steps) {
        const reeve::Channel<std::uint64_t> there;
        const reeve::Channel<std::uint64_t> back;
        joins_.push_back(reeve::spawn([there, back, steps] {
            for (const std::uint64_t value : there) (void)back.send(compute(steps, value));
        }));
        joins_.push_back(reeve::spawn([this, there, back] {
            while (!stop_.load(std::memory_order_relaxed)) {
                (void)there.send(1);
                (void)back.recv();
                answered_.fetch_add(1, std::memory_order_relaxed);
            }
            there.close();
        }));
    }
    // A fiber per request, the next when one is done.
    void stream(std::uint64_t steps) {
        joins_.push_back(reeve::spawn([this, steps] {
            while (!stop_.load(std::memory_order_relaxed)) {
                reeve::spawn([steps] { compute(steps, steps); }).join();
                answered_.fetch_add(1, std::memory_order_relaxed);
            }
        }));
    }

    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> answered_{0};
    std::vector<reeve::Join<void>> joins_;
};

void spinner_shares(const Bench& bench, const char* name, Requests kind) {
    if (!bench.is_wanted(name)) return;
    constexpr unsigned k_spinners = 16;
    constexpr double k_request_ns = 10'000;
    constexpr double k_spread_bound = 2;
    constexpr double k_share_bound = 0.2;
    const std::uint64_t ms = bench.size({.small = 5'000, .real = 10'000});
    const double unit_ns = reeve::bench::step_ns() * Spinners::k_steps;
    const std::uint64_t request_steps = reeve::bench::steps_for(k_request_ns);
    reeve::run(with_workers(k_workers), [&] {
        const Spinners spinners(k_spinners);
        const Traffic traffic(kind, request_steps);
        const std::int64_t start = clock_ns();
        const double cpu_before = spinners.cpu_ns();
        const double answered_before = traffic.answered();
        const auto process_before = static_cast<double>(read_clock(CLOCK_PROCESS_CPUTIME_ID));
        const std::vector<double> before = spinners.work();
        (void)reeve::sleep_for(milliseconds(ms));
        std::vector<double> work = spinners.work();
        const double process_ns = static_cast<double>(read_clock(CLOCK_PROCESS_CPUTIME_ID)) - process_before;
        const double answered = traffic.answered() - answered_before;
        const double cpu_ns = spinners.cpu_ns() - cpu_before;
        const auto elapsed = static_cast<double>(clock_ns() - start);
        double sum = 0;
        for (unsigned i = 0; i < k_spinners; ++i) sum += work[i] -= before[i];
        const double spread = quantile(work, 1) / std::max(quantile(work, 0), 1.0);
        const double share = sum * unit_ns / (elapsed * k_workers);
        Fields metrics{{"most_by_least", spread},
                       {"share_of_machine", share},               // work against what free CPUs would have done
                       {"share_of_process", cpu_ns / process_ns},  // CPU time: blind to what other programs take
                       {"requests_per_s", answered / elapsed * 1e9},
                       {"bound_most_by_least", k_spread_bound}};
        if (kind != Requests::none) metrics.emplace_back("bound_share_of_machine", k_share_bound);
        metrics.emplace_back("holds", spread <= k_spread_bound && (kind == Requests::none || share >= k_share_bound));
        Bench::report(name, {{"workers", k_workers}, {"spinners", k_spinners}, {"ms", static_cast<double>(ms)}}, metrics);
    });
}

// --- against plain threads --------------------------------------------------------------------------------------------

template <class Body>
void on_threads(unsigned count, Body body) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i) threads.emplace_back(body);
    for (std::thread& one : threads) one.join();
}

template <class Body>
void on_fibers(unsigned count, Body body) {
    reeve::run(with_workers(k_workers), [&] {
        std::vector<reeve::Join<void>> joins;
        for (unsigned i = 0; i < count; ++i) joins.push_back(reeve::spawn(body));
        for (auto& join : joins) join.join();
    });
}

// Runs both, the other one first each time.
template <class First, class Second>
void in_pairs(unsigned pairs, First first, Second second) {
    for (unsigned pair = 0; pair < pairs; ++pair) {
        if (pair % 2 == 0) first();
        second();
        if (pair % 2 == 1) first();
    }
}

std::vector<double> ratios(const std::vector<double>& above, const std::vector<double>& below) {
    std::vector<double> all;
    for (std::size_t i = 0; i < above.size(); ++i) all.push_back(above[i] / std::max(below[i], 1e-9));
    return all;
}

// Wall and CPU time of a run; CPU time does not see what other programs take.
struct Times {
    std::vector<double> ms;
    std::vector<double> cpu_ms;

    template <class Body>
    void add(Body body) {
        const std::int64_t start = clock_ns();
        const std::int64_t cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        body();
        ms.push_back(static_cast<double>(clock_ns() - start) / 1e6);
        cpu_ms.push_back(static_cast<double>(read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e6);
    }
};

// The same work for two threads and for `computing` fibers, or threads.
void throughput(const Bench& bench, unsigned computing, bool as_fibers) {
    if (!bench.is_wanted("throughput")) return;
    constexpr double k_bound = 0.98;
    constexpr unsigned k_pairs = 10;
    const std::uint64_t ms = bench.size({.small = 1000, .real = 2000});  // at the end a part of a turn (5 ms) is left to one alone
    const std::uint64_t steps = reeve::bench::steps_for(static_cast<double>(ms) * 1e6) * k_workers;
    Times two_threads;
    Times others;
    const auto share = [=](unsigned count) { return [=] { compute(steps / count, count); }; };
    in_pairs(
        k_pairs, [&] { two_threads.add([&] { on_threads(k_workers, share(k_workers)); }); },
        [&] {
            // With the runtime started and ended, as the threads are.
            others.add([&] { as_fibers ? on_fibers(computing, share(computing)) : on_threads(computing, share(computing)); });
        });
    const std::vector<double> all = ratios(two_threads.ms, others.ms);
    const double ratio = quantile(all, 0.5);
    Fields metrics{{"ratio", ratio},
                   {"ratio_min", quantile(all, 0)},
                   {"ratio_max", quantile(all, 1)},
                   {"cpu_ratio", quantile(ratios(two_threads.cpu_ms, others.cpu_ms), 0.5)},
                   {"ms", quantile(others.ms, 0.5)},
                   {"two_threads_ms", quantile(two_threads.ms, 0.5)}};
    if (as_fibers) {
        metrics.emplace_back("bound_ratio", k_bound);
        metrics.emplace_back("holds", ratio >= k_bound);
    }
    Bench::report("throughput", {{"workers", k_workers}, {as_fibers ? "fibers" : "threads", computing}, {"pairs", k_pairs}}, metrics);
}

// Passes through the mutex a second, when `count` fibers or threads do nothing else for `ms`.
double passes_per_s(bool as_fibers, unsigned count, std::uint64_t ms, std::uint64_t steps) {
    std::mutex mutex;
    std::atomic<std::uint64_t> passes{0};  // written under the mutex
    std::atomic<bool> stop{false};
    double rate = 0;
    std::thread observer([&] {
        const std::int64_t start = clock_ns();
        std::this_thread::sleep_for(milliseconds(ms));
        rate = static_cast<double>(passes.load()) / static_cast<double>(clock_ns() - start) * 1e9;
        stop = true;
    });
    const auto pass = [&] {
        while (!stop.load(std::memory_order_relaxed)) {
            const std::lock_guard lock(mutex);
            const std::uint64_t passed = passes.load(std::memory_order_relaxed);
            compute(steps, passed);
            passes.store(passed + 1, std::memory_order_relaxed);
        }
    };
    as_fibers ? on_fibers(count, pass) : on_threads(count, pass);
    observer.join();
    return rate;
}

void contended_mutex(const Bench& bench, std::uint64_t section_ns) {
    if (!bench.is_wanted("contended_mutex")) return;
    constexpr unsigned k_count = 8;
    constexpr double k_bound = 0.5;
    constexpr unsigned k_pairs = 5;
    const std::uint64_t ms = bench.size({.small = 500, .real = 2000});
    const std::uint64_t steps = reeve::bench::steps_for(static_cast<double>(section_ns));
    std::vector<double> threads;
    std::vector<double> fibers;
    in_pairs(
        k_pairs, [&] { threads.push_back(passes_per_s(false, k_count, ms, steps)); },
        [&] { fibers.push_back(passes_per_s(true, k_count, ms, steps)); });
    const std::vector<double> all = ratios(fibers, threads);
    const double ratio = quantile(all, 0.5);
    Bench::report("contended_mutex",
                  {{"workers", k_workers}, {"fibers", k_count}, {"section_ns", static_cast<double>(section_ns)}, {"pairs", k_pairs}},
                  {{"ratio", ratio},
                   {"ratio_min", quantile(all, 0)},
                   {"ratio_max", quantile(all, 1)},
                   {"passes_per_s", quantile(fibers, 0.5)},
                   {"threads_passes_per_s", quantile(threads, 0.5)},
                   {"bound_ratio", k_bound},
                   {"holds", ratio >= k_bound}});
}

}  // namespace

int main(int argc, char** argv) {
    const Bench bench(argc, argv);
    spinner_shares(bench, "spinner_shares", Requests::none);
    spinner_shares(bench, "spinner_shares_talk", Requests::talk);
    spinner_shares(bench, "spinner_shares_stream", Requests::stream);
    throughput(bench, 4, true);
    throughput(bench, 4, false);
    for (const std::uint64_t section_ns : {0U, 500U, 50'000U}) contended_mutex(bench, section_ns);
}
