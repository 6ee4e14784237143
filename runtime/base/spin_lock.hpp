// SpinLock: for critical sections of a few dozen instructions.
//
// Idea. Test and test-and-set. Whoever holds one is in the runtime, so it is never preempted by us; only the kernel
// can take its CPU, and then spinning is useless: the waiter soon yields its CPU, then sleeps a little.
//
// Any thread, any stack, never parks; NOT for signal handlers (the interrupted code might hold it).
#pragma once

#include <atomic>

#include "runtime/base/point.hpp"

namespace reeve {

// How to wait for what another thread will do in a moment, unless the kernel has taken its CPU.
class Backoff {
public:
    void pause();

private:
    int spins_ = 0;
};

class SpinLock {
public:
    void lock() {
#ifdef REEVE_POINTS_AT_LOCKS
        schedule_point(Place::at_lock);
        schedule_point(Place::locked);
#endif
        if (!locked_.exchange(true, std::memory_order_acquire)) [[likely]]
            return;
        lock_slowly();
    }
    bool try_lock() {
        if (locked_.exchange(true, std::memory_order_acquire)) return false;
#ifdef REEVE_POINTS_AT_LOCKS
        schedule_point(Place::locked);
#endif
        return true;
    }
    void unlock() {
        locked_.store(false, std::memory_order_release);
#ifdef REEVE_POINTS_AT_LOCKS
        schedule_point(Place::unlocked);
        schedule_point(Place::at_lock);
#endif
    }

private:
    void lock_slowly();

    std::atomic<bool> locked_{false};
};

class [[nodiscard]] SpinGuard {
public:
    explicit SpinGuard(SpinLock& lock) : lock_(lock) { lock_.lock(); }
    ~SpinGuard() { lock_.unlock(); }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;

private:
    SpinLock& lock_;
};

}  // namespace reeve
