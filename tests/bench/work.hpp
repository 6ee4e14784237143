// Work of a known size for benchmarks of preemption: computing that never calls anything, and how long a step of it takes.
//
// compute() is a chain of dependent multiplications, so it costs the same wherever it runs and touches no memory: what a
// scheduler takes away from it is the scheduler's doing. Any thread, any fiber.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/config.hpp"
#include "tests/support/bench.hpp"

namespace reeve::bench {

inline Config with_workers(unsigned workers) {
    Config config = Config::from_env();
    config.workers = workers;
    return config;
}

inline std::uint64_t compute(std::uint64_t steps, std::uint64_t seed) {
    for (std::uint64_t i = 0; i < steps; ++i) seed = seed * 6364136223846793005U + 1442695040888963407U;
    keep(seed);
    return seed;
}

// Nanoseconds of one step on an undisturbed CPU: the best of many short tries, since disturbance only adds.
inline double step_ns() {
    constexpr std::uint64_t k_steps = 100'000;
    std::int64_t best = INT64_MAX;
    for (int round = 0; round < 200; ++round) {
        const std::int64_t start = clock_ns();
        compute(k_steps, static_cast<std::uint64_t>(round));
        best = std::min(best, clock_ns() - start);
    }
    return static_cast<double>(best) / static_cast<double>(k_steps);
}

// How many steps take so long.
inline std::uint64_t steps_for(double ns) { return static_cast<std::uint64_t>(ns / step_ns()); }

}  // namespace reeve::bench
