// stats, dump: the runtime explains itself.
//
// stats() adds up the counters of all processors; dump(fd) writes every fiber. Neither parks; fibers and plain threads
// while run() is active (zeros and nothing otherwise). The figures are read while everything runs.
#pragma once

#include <cstdint>

#include "runtime/preemption.hpp"
#include "runtime/sched/counters.hpp"

namespace reeve {

struct Stats {
#define REEVE_STATS_MEMBER(name, what) std::uint64_t name = 0;
    REEVE_COUNTERS(REEVE_STATS_MEMBER)
#undef REEVE_STATS_MEMBER
    std::uint64_t live_fibers = 0;
    std::uint64_t threads = 0;
    std::uint64_t monitor_ticks = 0;      // times the monitor looked
    std::uint64_t processors_taken = 0;   // from fibers that computed or blocked
    std::uint64_t preempt_signals = 0;    // sent to threads that computed without a processor
    std::uint64_t preempt_refusals = 0;   // signals that found the thread where it must not be stopped
    const char* io_engine = "";           // "io_uring" or "epoll"
    int io_uring_refusal = 0;             // the errno that made it epoll
    PreemptionStats preemption;           // why slices ended, and how long everything took
};

[[nodiscard]] Stats stats();
void dump(int fd);

}  // namespace reeve
