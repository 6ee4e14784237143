// Latch: a count that goes down to 0 once, and can be waited for (std::latch, Java's CountDownLatch).
//
// count_down(n): never parks; below 0 the process ends. try_wait(): never parks; whether the count is 0. wait(deadline): may
// park; timed_out, cancelled; neither changes the count. arrive_and_wait(n, deadline): both; the arrival counts, whatever
// becomes of the wait. Once at 0 it stays there, and waits succeed at once. Fibers and plain threads. Not signal-safe. The
// last of the waiters may destroy the latch when it goes on, though count_down() may not have returned. What is to be
// counted up again is a WaitGroup.
#pragma once

#include <cstddef>

#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class Latch {
public:
    explicit Latch(std::size_t count) : count_(count) {}
    Latch(const Latch&) = delete;
    Latch& operator=(const Latch&) = delete;

    void count_down(std::size_t n = 1);
    [[nodiscard]] bool try_wait();
    Result<void> wait(Deadline deadline = {});
    Result<void> arrive_and_wait(std::size_t n = 1, Deadline deadline = {}) {
        count_down(n);
        return wait(deadline);
    }

private:
    // Guards the rest. Looking at the count takes it, too: whoever saw 0 comes after count_down() has let go of the latch.
    SpinLock lock_;
    std::size_t count_;
    sched::WaitQueue waiters_;
};

}  // namespace reeve
