// Counters: what a processor has done. One list names them all: the struct, the sum and the printed names follow it.
//
// Written by the holder of the processor (plain add: no two holders at once), read by anybody at any time.
#pragma once

#include <atomic>
#include <cstdint>

// X(name, what is counted)
#define REEVE_COUNTERS(X)                                                      \
    X(fibers_started, "fibers started")                                        \
    X(fibers_ended, "fibers ended")                                            \
    X(switches, "fibers switched to")                                          \
    X(parks, "fibers parked")                                                  \
    X(parks_for_fibers, "of these, until certain fibers go on (a mutex, a join)") \
    X(steals, "fibers stolen from another processor")                          \
    X(wakes, "times it was woken to search for work")                                          \
    X(sleeps, "times a worker slept in its I/O engine")                              \
    X(submits, "calls that submitted requests to the kernel")                  \
    X(completions, "completions taken from the I/O engine")                          \
    X(timers_fired, "deadlines that came")                                     \
    X(yields_overdue, "slices that ended at the exit of the runtime")          \
    X(turns_given, "times the processor was given to a thread that keeps its fiber")

namespace reeve::sched {

class Counter {
public:
    void add(std::uint64_t count = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

struct Counters {
#define REEVE_COUNTER_MEMBER(name, what) Counter name;
    REEVE_COUNTERS(REEVE_COUNTER_MEMBER)
#undef REEVE_COUNTER_MEMBER
};

}  // namespace reeve::sched
