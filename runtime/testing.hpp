// testing: tests of concurrent code that take no time, try thousands of orders, and fail the same way again.
//
//     const auto explored = reeve::testing::explore({.schedules = 10'000}, [] {
//         Cache cache;                                            // anew for each schedule
//         reeve::Scope scope;
//         for (int i = 0; i < 3; ++i) scope.spawn([&] { cache.get("key"); });
//         scope.wait();
//         reeve::testing::expect(cache.loads() == 1, "one load, whoever comes first");
//     });
//     REQUIRE(explored.failure == "");                            // prints the seed of the schedule that failed
//
// Virtual clock (Go's synctest, tokio's paused clock). now_ns(), sleep_for, every deadline, Ticker and after go by a clock that
// stands still while any fiber can run and jumps to the next timer when all wait: an hour costs nothing, and what is due at
// the same instant is due at once. While the kernel has a request (a read of a socket, a file), fibers wait for it in real time
// and the clock stands still; only when that lasts as long as the next timer is away, the timer comes due, so that
// deadlines of real I/O hold. std::chrono's clocks are not virtual: times come from now_ns().
//
// Explorer (FoundationDB's simulation, shuttle, PCT). Fibers run one at a time on one worker. Who goes on next is drawn from a
// seed, and at the points where fibers could meet it is drawn whether the running one must give way: at the entry and exit
// of every runtime call, before it parks, before it wakes another, at the lock and unlock of the mutexes, and at point() in
// code under test. Each schedule has a seed of its own; one that fails is replayed by REEVE_SEED, for the same program. What a
// schedule sees depends on its seed and on the code alone, as long as that does not ask for anything else: results of real
// I/O, plain threads, other clocks and generators, addresses as keys, what earlier schedules left in globals. blocking() holds
// everybody up, and preemption by signal is off. Orders are explored, not weak memory: that is for ThreadSanitizer.
//
// A schedule fails by expect(), by an exception out of `body`, when all fibers wait and nothing can wake one (deadlock), when it
// leaves fibers behind that wait, and when it does not end (steps_max). Its fibers are cancelled then, and exploring ends with the
// first failure. A signal or fatal() ends the process as ever, with the seed printed before.
//
// run(config, main) with Config::clock or Config::seed has the same for a whole program: REEVE_CLOCK=virtual, REEVE_SEED=N.
//
// explore, run_seeded: a plain thread, no run() being active; they make one with a single worker. expect: any fiber of a schedule.
// point: anywhere; it may let others run. draw: a fiber of a seeded run. None is signal-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/base/point.hpp"

namespace reeve::testing {

struct Exploration {
    std::uint64_t schedules = 10'000;  // REEVE_SCHEDULES=N: so many
    std::uint64_t seed = 1;            // what the seeds of the schedules are made from; REEVE_SEED=N: only the schedule of that seed
    // Timers may come due although fibers can run, as where others have the CPU: for races of deadlines with what they bound.
    // Off: time passes only when all wait, and what takes how long is exact.
    bool lets_time_slip = false;
    std::uint64_t steps_max = 1'000'000;  // fibers continued in one schedule: it is taken for endless then
};

struct Explored {
    std::uint64_t schedules = 0;   // that were run, the failed one included
    std::string failure;           // what went wrong; empty: nothing
    std::uint64_t seed = 0;        // of the failed schedule, or of the last
    std::uint64_t steps = 0;       // in all: fibers continued,
    std::uint64_t interrupts = 0;  // and made to give way at a point
    std::uint64_t trace = 0;       // of the last schedule: the same for the same choices
};

// Runs `body` as a fiber, once for each schedule, until one fails; that is printed to standard error.
Explored explore(const Exploration& how, const std::function<void()>& body);
// One schedule, by its seed, which is not 0.
Explored run_seeded(std::uint64_t seed, const std::function<void()>& body);

// Fails the schedule unless it holds; the first of a schedule counts. Goes on. Returns `holds`.
bool expect(bool holds, const char* what);

// Another fiber may go first here.
inline void point() { schedule_point(Place::outside); }

// Less than `bound`: choices of the test itself that are the same again in a replay.
[[nodiscard]] std::uint64_t draw(std::uint64_t bound);

}  // namespace reeve::testing
