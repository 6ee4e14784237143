// Sampler: the loop that looks at a process so many times a second.
//
// At each tick the threads that have used CPU time since the last one and are runnable now are stopped for a
// moment, one snapshot each (see snapshot.hpp), and counted with the CPU time they used. With `off_cpu` every
// thread is looked at, asleep or not, and counts the time that has passed instead.
#pragma once

#include <sys/types.h>
#include <atomic>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tools/prof/profile.hpp"
#include "tools/prof/snapshot.hpp"
#include "tools/prof/unwinder.hpp"

namespace reeve::prof {

struct SampleOptions {
    double seconds = 5;
    unsigned hz = 99;
    bool off_cpu = false;
};

enum class Ended { on_time, interrupted, process_gone };

class Sampler {
public:
    Sampler(pid_t pid, SampleOptions options, Unwinder& unwinder, Profile& profile);

    // Returns early when `stop` becomes true or the process ends.
    [[nodiscard]] Ended run(const std::atomic<bool>& stop);

    // How long the threads were stopped, one entry per sample.
    [[nodiscard]] const std::vector<std::int64_t>& stops_ns() const { return stops_ns_; }

private:
    struct Thread {
        std::string name;
        std::int64_t counted_ns = 0;  // CPU time already attributed; with off_cpu: the last tick's instant
        std::uint64_t tick = 0;       // last seen
    };

    bool tick();
    [[nodiscard]] bool wants(pid_t tid, Thread& thread) const;
    void count(const Snapshot& snapshot);

    pid_t pid_;
    SampleOptions options_;
    Unwinder& unwinder_;
    Profile& profile_;
    Snapshotter snapshotter_;
    std::unordered_map<pid_t, Thread> threads_;
    std::vector<std::int64_t> stops_ns_;
    std::uint64_t ticks_ = 0;
    std::int64_t refreshed_ns_ = 0;
};

}  // namespace reeve::prof
