// Timer, TimerHeap: the deadlines of one processor's waiters.
//
// Idea. A four-ary heap of pointers with the index kept in the timer, so that cancelling is O(log n). A timer claims its
// wait under the heap's lock; disarm() takes the same lock, so once it returns the timer is not being looked at.
//
// Callers. arm: the holder of the processor. disarm: anybody. fire: the holder. earliest_ns: anybody, a hint.
//
// I1  An armed timer's memory is valid until it fired or disarm() returned.
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
    Parkable* who = nullptr;
    FiberState::Epoch epoch = 0;
    std::int64_t when_ns = 0;
    TimerHeap* heap = nullptr;  // where it is armed
    std::size_t index = 0;      // its place there; guarded by the heap's lock
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
        Timer* timer;
    };
    static constexpr std::size_t k_arity = 4;  // a node's children fill one cache line
    static constexpr std::size_t k_not_armed = ~std::size_t{0};

    void put(std::size_t index, Entry entry);
    void sift_up(std::size_t index, Entry entry);
    void sift_down(std::size_t index, Entry entry);
    void remove(std::size_t index);

    SpinLock lock_;
    std::vector<Entry> entries_;
    std::atomic<std::int64_t> earliest_ns_{Deadline::k_never_ns};
};

}  // namespace reeve::sched
