// Timers: the deadlines of one processor's waiters.
//
// Idea. What comes in a little while, when there is much of it, stands in a wheel, roughly in order; a slot whose time has come is
// sorted into a run, which is taken off in front. What comes sooner, what comes very much later, and all of it while there is little,
// stands in a heap. What is due is taken out first and fetched from memory together, then claimed. A waiter has one timer at a time
// and knows its place. A timer claims its wait under the lock; disarm() takes the same lock, so once it returns the waiter is
// not being looked at.
//
// Callers. arm: the holder of the processor, for the caller's own wait. disarm: the waiter. fire: the holder, or that of another
// (timer_watch.hpp). earliest_ns, fired: anybody, hints.
//
// I1  A waiter does not open its next wait before its timer fired and was done with, or disarm() returned.
// I2  `timer_place` becomes k_no_timer as the last thing that is done with a waiter: who sees that need not take the lock.
// I3  While the wheel holds any, the first of the run and the heap comes before the wheel begins. So it is the first of all.
// I4  All that the run holds comes before the wheel begins.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/timer_heap.hpp"
#include "runtime/sched/timer_run.hpp"
#include "runtime/sched/timer_wheel.hpp"

namespace reeve::sched {

class Timers {
public:
    void arm(Parkable& who, FiberState::Epoch epoch, std::int64_t when_ns);
    // Of the waiter that was armed here last: whether the timer fired or not, it is free afterwards.
    void disarm(Parkable& who);
    // Claims what is due at `now_ns`; writes up to `room` waiters to be scheduled into `into` and returns how many.
    // `more` says that others are due.
    std::size_t fire(std::int64_t now_ns, Parkable** into, std::size_t room, bool& more);
    // Deadline::k_never_ns when there is none.
    [[nodiscard]] std::int64_t earliest_ns() const { return earliest_ns_.load(std::memory_order_relaxed); }
    // How many were due so far; it wraps.
    [[nodiscard]] std::uint32_t fired() const { return fired_.load(std::memory_order_relaxed); }

private:
    static constexpr std::size_t k_batch = 64;

    [[nodiscard]] std::int64_t first_ns() const { return std::min(run_.earliest_ns(), heap_.earliest_ns()); }
    void settle();
    Timer take_first();

    SpinLock lock_;
    TimerHeap heap_;
    TimerRun run_;
    TimerWheel wheel_;
    static_assert(TimerWheel::k_slot_shift == TimerRun::k_span_shift);
    std::atomic<std::int64_t> earliest_ns_{Deadline::k_never_ns};
    std::atomic<std::uint32_t> fired_{0};
};

}  // namespace reeve::sched
