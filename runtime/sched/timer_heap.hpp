// Timer, TimerHeap: the deadlines of one processor's waiters.
//
// Idea. A four-ary heap of instants. Timers lie on the stacks of those who wait, a page each, which are out of the caches by the
// time they come due: so the heap names them by small numbers, its places, and moving entries about touches the heap's own
// tables only. What is due is taken out first and fetched from memory together, then claimed. A timer claims its wait under the
// heap's lock; disarm() takes the same lock, so once it returns the timer is not being looked at.
//
// Callers. arm: the holder of the processor. disarm: anybody. fire: the holder. earliest_ns: anybody, a hint.
//
// I1  An armed timer's memory is valid until it fired or disarm() returned.
// I2  `place` becomes k_not_armed as the last thing that is done with a timer: who sees that need not take the lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

class TimerHeap;

struct Timer {
    static constexpr std::uint32_t k_not_armed = ~std::uint32_t{0};

    Parkable* who = nullptr;
    FiberState::Epoch epoch = 0;
    std::int64_t when_ns = 0;
    TimerHeap* heap = nullptr;                      // where it is armed
    std::atomic<std::uint32_t> place{k_not_armed};  // its number there
};

class TimerHeap {
public:
    void arm(Timer& timer);
    // Whether it fired, was disarmed before or not, the timer is free afterwards. It must have been armed once.
    void disarm(Timer& timer);
    // Claims what is due at `now_ns`; writes up to `room` waiters to be scheduled into `into` and returns how many.
    // `more` says that others are due.
    std::size_t fire(std::int64_t now_ns, Parkable** into, std::size_t room, bool& more);
    // Deadline::k_never_ns when there is none.
    [[nodiscard]] std::int64_t earliest_ns() const { return earliest_ns_.load(std::memory_order_relaxed); }

private:
    struct Entry {
        std::int64_t when_ns;
        std::uint32_t place;
    };
    struct Place {
        Timer* timer;        // null: the place is free
        std::uint32_t index;  // of its entry; of a free one: the next free place
    };
    static constexpr std::size_t k_arity = 4;   // a node's children fill one cache line
    static constexpr std::size_t k_batch = 64;

    void put(std::size_t index, Entry entry);
    void sift_up(std::size_t index, Entry entry);
    void sift_down(std::size_t index, Entry entry);
    Timer& remove(std::size_t index);

    SpinLock lock_;
    std::vector<Entry> entries_;
    std::vector<Place> places_;
    std::uint32_t free_place_ = Timer::k_not_armed;
    std::atomic<std::int64_t> earliest_ns_{Deadline::k_never_ns};
};

}  // namespace reeve::sched
