// Semaphore: a number of units that are taken and given back; std::counting_semaphore's names, several units at a time.
//
// Idea. First in, first out (asyncio.Semaphore, golang.org/x/sync/semaphore): who has to wait stands in line, and units go
// to the front of the line only. So a large request is not overtaken by small ones, and nobody starves; the price is that
// units may lie unused while the front waits for more.
//
// acquire(n, deadline): may park; timed_out, cancelled, and then no unit was taken. What is there is had even by a cancelled
// fiber. try_acquire(n): never parks; false if too few are there or somebody stands in line. release(n): never parks; by
// anybody, not only by who acquired. Asking for more units than will ever be there waits for ever. Fibers and plain
// threads. Not signal-safe.
//
// I1  A waiter at the front of the line has not got enough: every change that may alter this grants again.
#pragma once

#include <cstddef>

#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class Semaphore {
public:
    explicit Semaphore(std::size_t units) : available_(units) {}
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    Result<void> acquire(Deadline deadline = {}) { return acquire(1, deadline); }
    Result<void> acquire(std::size_t n, Deadline deadline = {});
    bool try_acquire(std::size_t n = 1);
    void release(std::size_t n = 1);

    // Units that nobody holds, at this moment.
    [[nodiscard]] std::size_t available();

private:
    bool take(std::size_t n);
    void grant(sched::ReadyList& woken);

    SpinLock lock_;  // guards the rest
    std::size_t available_;
    List<sched::Waiter> waiters_;  // a waiter's slot points to the number of units it wants
};

}  // namespace reeve
