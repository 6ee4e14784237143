// standstill: how long the machine itself stands still while all its CPUs compute.
//
// A virtual machine with a quota, or one among others, is stopped for milliseconds when it is busy: no figure measured beside
// threads that compute can be better than that. So benchmarks that have them tell it first. A plain thread per CPU reads the clock
// again and again; what passes between two readings, beyond what a switch of threads takes, was taken from it. On a machine that
// does other things as well that is their time, too.
//
// Any thread.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/support/bench.hpp"

namespace reeve::bench {

inline void report_standstill(const Bench& bench) {
    if (!bench.is_wanted("standstill")) return;
    constexpr std::int64_t k_ms = 1'000'000;
    constexpr std::int64_t k_counts_ns = k_ms / 5;
    const auto ms = static_cast<std::int64_t>(bench.size({.small = 2000, .real = 10'000}));
    struct Seen {
        int cpu = 0;
        std::int64_t sum_ns = 0;
        std::int64_t longest_ns = 0;
    };
    std::vector<Seen> all;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &allowed)) all.push_back({.cpu = cpu});
    std::vector<std::thread> threads;
    threads.reserve(all.size());
    for (Seen& seen : all)
        threads.emplace_back([&seen, ms] {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(seen.cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
            std::int64_t last = clock_ns();
            for (const std::int64_t end = last + ms * k_ms; last < end;) {
                const std::int64_t now = clock_ns();
                if (now - last >= k_counts_ns) seen.sum_ns += now - last;
                seen.longest_ns = std::max(seen.longest_ns, now - last);
                last = now;
            }
        });
    for (std::thread& thread : threads) thread.join();
    Seen sum;
    for (const Seen& seen : all) {
        sum.sum_ns += seen.sum_ns;
        sum.longest_ns = std::max(sum.longest_ns, seen.longest_ns);
    }
    const auto cpus = static_cast<double>(all.size());
    Bench::report("standstill", {{"cpus", cpus}, {"ms", static_cast<double>(ms)}},
                  {{"share", static_cast<double>(sum.sum_ns) / cpus / static_cast<double>(ms * k_ms)},
                   {"longest_us", static_cast<double>(sum.longest_ns) / 1000}});
}

}  // namespace reeve::bench
