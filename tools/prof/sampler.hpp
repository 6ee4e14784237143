// Sampler: watches a process for a while and fills a Profile.
//
// Two ways. Where the system permits it the kernel takes the snapshots, every so much CPU time (see
// perf_events.hpp); otherwise, and for `off_cpu`, threads are looked at by the clock: those that have used
// CPU time since the last tick and are runnable now are stopped for a moment (see snapshot.hpp) and counted
// with the CPU time they used. With `off_cpu` every thread is looked at, asleep or not, and counts the time
// that has passed instead.
#pragma once

#include <sys/types.h>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tools/prof/perf_events.hpp"
#include "tools/prof/profile.hpp"
#include "tools/prof/snapshot.hpp"
#include "tools/prof/unwinder.hpp"

namespace reeve::prof {

struct SampleOptions {
    double seconds = 5;
    unsigned hz = 99;
    bool off_cpu = false;
    bool stop_threads = false;  // also where the kernel would take the snapshots
};

enum class Ended { on_time, interrupted, process_gone };

class Sampler {
public:
    // Begins: with those threads the process has now.
    Sampler(pid_t pid, SampleOptions options, Unwinder& unwinder, Profile& profile);

    // Returns early when `stop` becomes true or the process ends.
    [[nodiscard]] Ended run(const std::atomic<bool>& stop);

    [[nodiscard]] bool stops_threads() const { return events_ == nullptr; }
    // How long the threads were stopped, one entry per sample.
    [[nodiscard]] const std::vector<std::int64_t>& stops_ns() const { return stops_ns_; }
    [[nodiscard]] std::uint64_t lost() const { return events_ ? events_->lost() : 0; }

private:
    struct Thread {
        std::string name;
        std::int64_t counted_ns = 0;  // CPU time already attributed; with off_cpu: the last sample's instant
        std::uint64_t tick = 0;       // last seen
    };

    bool tick();
    void count_stopped(const Snapshot& snapshot);
    void count(const Snapshot& snapshot, std::int64_t ns);

    pid_t pid_;
    SampleOptions options_;
    Unwinder& unwinder_;
    Profile& profile_;
    std::int64_t period_ns_;
    std::unique_ptr<PerfEvents> events_;
    Snapshotter snapshotter_;
    std::unordered_map<pid_t, Thread> threads_;
    std::vector<std::int64_t> stops_ns_;
    std::uint64_t ticks_ = 0;
    std::int64_t refreshed_ns_ = 0;
};

}  // namespace reeve::prof
