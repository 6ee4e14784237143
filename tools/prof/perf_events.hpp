// PerfEvents: snapshots taken by the kernel itself, at the moment its clock says so, without stopping
// anybody.
//
// Idea. An event that counts CPU time is attached to every thread of the process, on each CPU; threads
// started later inherit it. Whenever a thread has used another period of CPU time the kernel copies its
// registers and the top of its stack into a ring of the CPU, which is emptied here. That is exact: no thread
// is caught that merely waits for a CPU, and none runs on for the microseconds that stopping it would take.
//
// Needs permission (root, CAP_PERFMON, or kernel.perf_event_paranoid of at most 1); without it, see
// snapshot.hpp. One thread only uses this object.
#pragma once

#include <sys/types.h>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tools/prof/snapshot.hpp"

struct perf_event_mmap_page;

namespace reeve::prof {

class PerfEvents {
public:
    PerfEvents() = default;
    ~PerfEvents();
    PerfEvents(const PerfEvents&) = delete;
    PerfEvents& operator=(const PerfEvents&) = delete;

    // False when the system does not allow it; then this object is of no use.
    [[nodiscard]] bool attach(std::span<const pid_t> threads, std::int64_t period_ns);

    // Calls `use` for each snapshot since the last call; each stands for one period of CPU time.
    void drain(const std::function<void(const Snapshot&)>& use);

    // Samples the kernel dropped because nobody emptied the ring in time.
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

private:
    struct Ring {
        int cpu;
        int fd;  // of the event the ring was made for
        perf_event_mmap_page* page;
        std::size_t bytes;  // mapped
    };

    [[nodiscard]] bool open_on(int cpu, pid_t tid, std::int64_t period_ns);
    [[nodiscard]] bool make_ring(int cpu, int fd);
    void take_record(std::span<const std::byte> record, const std::function<void(const Snapshot&)>& use);

    std::vector<int> fds_;
    std::vector<Ring> rings_;
    std::vector<std::byte> record_;
    std::uint64_t lost_ = 0;
};

}  // namespace reeve::prof
