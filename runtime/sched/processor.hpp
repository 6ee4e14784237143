// Processor: the right to run fibers, with everything that right owns: run queue, timers, I/O engine, stacks, counters.
//
// There are exactly Config::workers of them. A worker that holds one runs fibers; without one it runs at most the user
// code of the fiber it was left with. The word says who holds it (processor_word.hpp); what is not marked otherwise is
// touched by the holder in the runtime only (its I1).
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/os/io_engine.hpp"
#include "runtime/sched/counters.hpp"
#include "runtime/sched/entry.hpp"
#include "runtime/sched/fetch.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/local_queue.hpp"
#include "runtime/sched/magazine.hpp"
#include "runtime/sched/timer_watch.hpp"
#include "runtime/sched/timers.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {

struct Operation;

struct alignas(64) Processor : ProcessorEntry {
    Processor(unsigned number_, bool is_only_one, GlobalQueue* queue_instead, os::IoEngine& io_)
        : number(number_), queue(!is_only_one, queue_instead), io(io_) {}

    const unsigned number;
    int home_cpu = -1;  // where its workers are kept while fibers that compute take turns; -1: nowhere
    std::atomic<Worker*> worker{nullptr};      // the holder; read by the monitor
    std::atomic<std::uint32_t> slices{0};      // fibers started or continued; read by the monitor
    std::atomic<std::int64_t> slice_began_ns{0};  // set where a clock was read anyway; 0: unknown
    std::atomic<std::int64_t> overdue_since_ns{0};  // when that slice began, as the monitor saw it; set before is_overdue
    std::atomic<bool> is_given{false};         // the holder was woken for it and has not got a CPU yet
    std::atomic<bool> is_idle{false};          // its worker sleeps in the engine; read by the monitor

    // How long the overdue slice has lasted; -1: there is none, it ended meanwhile.
    [[nodiscard]] std::int64_t overdue_slice_ns() const {
        if (!is_overdue.load(std::memory_order_acquire)) return -1;
        return monotonic_ns() - overdue_since_ns.load(std::memory_order_relaxed);
    }

    // Another fiber, or the same after a wait: what was known about the slice before is past.
    void begin_slice() {
        slices.store(slices.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        slice_began_ns.store(0, std::memory_order_relaxed);
        is_overdue.store(false, std::memory_order_relaxed);
    }

    // A fiber that makes very many others runnable gives way to them at the end of a call, before more are waiting than the caches
    // hold: the records of some dozen are run while they are still there, those of a hundred thousand are not.
    static constexpr std::uint32_t k_many = 64;
    void give_way() {
        if (queue.size() < k_many || is_overdue.load(std::memory_order_relaxed)) return;
        overdue_since_ns.store(now_ns, std::memory_order_relaxed);
        is_overdue.store(true, std::memory_order_release);
    }
    // One that starts them is looked at every k_starts: as many as LocalQueue takes from its overflow at a time. With many more the
    // overflow would grow with every turn.
    static constexpr std::uint32_t k_starts = 32;
    std::uint32_t starts = 0;
    std::uint32_t slices_at_starts = 0;
    void count_start() {
        if (++starts % k_starts != 0) return;
        const std::uint32_t now = slices.load(std::memory_order_relaxed);
        const bool is_in_one_slice = std::exchange(slices_at_starts, now) == now;
        if (is_in_one_slice) give_way();
    }

    LocalQueue queue;
    FetchAhead fetch_ahead;                    // of the queue
    Timers timers;
    TimerWatch<Timers> timer_watch{timers};
    os::IoEngine& io;
    std::int64_t now_ns = 0;                   // the clock at the last look, for what need not be exact
    std::uint32_t picks = 0;                   // choices made by the scheduler; drives the fairness ticks
    std::int64_t mean_slice_ns = 1'000'000;    // of late; at first long, so that the first fibers spread
    std::uint32_t slices_at_look = 0;          // `slices` when the clock was last read
    std::int64_t began_oldest_ns = 0;          // when the oldest fiber of the overflow was last begun, out of turn
    std::int64_t computed_ns = 0;              // when a fiber whose slice was over last gave it away

    // Waking another CPU costs it some 20 us in a virtual machine, and this one some more: worth it only for much more work than that.
    static constexpr std::int64_t k_wake_worth_ns = 200'000;
    [[nodiscard]] bool has_work_to_share() const { return queue.size() * mean_slice_ns >= k_wake_worth_ns; }

    Magazine<Fiber*, 128> records;
    Magazine<context::Stack, 128> stacks;       // of the default size
    FetchStacks fetch_stacks;                   // of these
    Magazine<void*, 64> join_blocks;
    std::uint64_t next_fiber_id = 0;
    std::uint64_t last_fiber_id = 0;

    // Operations to be cancelled whose request went to this engine; from any worker.
    SpinLock cancels_lock;
    List<Operation> cancels;
    std::atomic<bool> has_cancels{false};

    Counters counters;
};

inline Processor* Worker::processor() const { return static_cast<Processor*>(processor_.load(std::memory_order_relaxed)); }

}  // namespace reeve::sched
