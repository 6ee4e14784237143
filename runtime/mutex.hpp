// Mutex: a lock that parks fibers; std's names, so std::unique_lock and std::scoped_lock work with it.
//
// Idea. Free, locked, locked with waiters: uncontended locking is one compare-exchange and does not enter the runtime.
// unlock() with waiters hands the lock to the oldest one (first in, first out: nobody starves), so a mutex is never free
// while somebody waits.
//
// lock(): may park, not cancellable (std's lock cannot fail). lock(deadline): may park; timed_out, cancelled. try_lock,
// unlock: never park. Fibers and plain threads; a fiber may unlock on another OS thread than it locked on. Not signal-safe.
#pragma once

#include <atomic>
#include <cstdint>

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
        std::uint32_t expected = k_free;
        return word_.compare_exchange_strong(expected, k_locked, std::memory_order_acquire, std::memory_order_relaxed);
    }
    void unlock() {
        std::uint32_t expected = k_locked;
        if (!word_.compare_exchange_strong(expected, k_free, std::memory_order_release, std::memory_order_relaxed))
            [[unlikely]]
            unlock_slowly();
    }

private:
    Result<void> lock_slowly(Deadline deadline, sched::Cancellable cancellable);
    void unlock_slowly();

    static constexpr std::uint32_t k_free = 0;
    static constexpr std::uint32_t k_locked = 1;
    static constexpr std::uint32_t k_contended = 2;  // locked, and the queue must be looked at

    std::atomic<std::uint32_t> word_{k_free};
    SpinLock lock_;  // guards waiters_; only under it the word becomes or stops being contended
    sched::WaitQueue waiters_;
};

}  // namespace reeve
