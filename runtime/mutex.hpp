// Mutex: a lock that parks fibers; std's names, so std::unique_lock and std::scoped_lock work with it.
//
// Idea. Free, locked, locked with waiters: uncontended locking is one compare-exchange and does not enter the runtime.
// unlock() with waiters hands the lock to the oldest one (first in, first out: nobody starves), so a mutex is never free
// while somebody waits.
//
// lock(): may park, not cancellable (std's lock cannot fail). lock(deadline): may park; timed_out, cancelled; a mutex that
// is free is had even by a cancelled fiber. try_lock_for, try_lock_until: the same as a bool, for
// `std::unique_lock lock(mutex, 10ms)`. try_lock, unlock: never park. Who locks a second time waits for itself.
// Fibers and plain threads; a fiber may unlock on another OS thread than it locked on. Not signal-safe.
//
// Who waits for whom in a circle is told (sched/wait_circles.hpp): therefore the word says who has it, by an address on his
// stack, which costs nothing. So who locks must unlock.
//
// I1  While somebody waits the word says `contended`; only under lock_ it becomes or stops being that.
// I2  The compare-exchange that frees the mutex is the last unlock() does to it: the next owner may destroy it.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/point.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() {
        if (!try_lock()) [[unlikely]]
            (void)lock_slowly({}, sched::Cancellable::no);
    }
    Result<void> lock(Deadline deadline) {
        if (try_lock()) return {};
        return lock_slowly(deadline, sched::Cancellable::yes);
    }
    bool try_lock() {
        schedule_point(Place::outside);
        std::uintptr_t expected = k_free;
        const std::uintptr_t mine = held_from(__builtin_frame_address(0));
        return word_.compare_exchange_strong(expected, mine, std::memory_order_acquire, std::memory_order_relaxed);
    }
    bool try_lock_for(Deadline from_now) { return lock(from_now).has_value(); }
    bool try_lock_until(Deadline instant) { return lock(instant).has_value(); }
    void unlock() {
        schedule_point(Place::outside);
        std::uintptr_t word = word_.load(std::memory_order_relaxed);
        if ((word & k_state) != k_locked ||
            !word_.compare_exchange_strong(word, k_free, std::memory_order_release, std::memory_order_relaxed)) [[unlikely]]
            unlock_slowly();
    }

private:
    Result<void> lock_slowly(Deadline deadline, sched::Cancellable cancellable);
    void unlock_slowly();

    // Else an address on the owner's stack, and these.
    static constexpr std::uintptr_t k_free = 0;
    static constexpr std::uintptr_t k_locked = 1;
    static constexpr std::uintptr_t k_contended = 2;  // locked, and the queue must be looked at
    static constexpr std::uintptr_t k_state = k_locked | k_contended;

    static std::uintptr_t held_from(const void* address) { return reinterpret_cast<std::uintptr_t>(address) | k_locked; }

    std::atomic<std::uintptr_t> word_{k_free};
    SpinLock lock_;  // guards waiters_
    sched::WaitQueue waiters_;
};

}  // namespace reeve
