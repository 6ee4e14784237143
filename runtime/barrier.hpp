// Barrier: a fixed number of parties wait for each other, round after round (std::barrier, threading.Barrier).
//
// Idea. The last of a round to arrive lets all go on, and the next round begins. A party that stops waiting before that
// (deadline, cancellation) would leave the others waiting for somebody who will not come. So, as in Python and Java, it
// closes the barrier: all who wait, and all who arrive later, get Errc::closed, until reset() opens it again.
//
// arrive_and_wait(deadline): may park; returns the place in the round, 0 for the first to arrive, parties - 1 for the last
// (to choose one for what is to be done once); timed_out, cancelled (this party closed the barrier), closed (another one
// did). If the last has arrived when a deadline passes or a cancellation comes, the round counts: it succeeds. The last to
// arrive does not wait, so it succeeds even if it is cancelled. close(): never parks; gives up by hand. reset(): never
// parks; who waits gets closed, and the barrier is as new. Fibers and plain threads. Not signal-safe.
//
// I1  arrived_ is the number of waiters in the queue, dead or alive; it stays below the number of parties.
// I2  Under the lock a round passes for all of its parties or for none.
#pragma once

#include <cstddef>

#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class Barrier {
public:
    explicit Barrier(std::size_t parties);
    Barrier(const Barrier&) = delete;
    Barrier& operator=(const Barrier&) = delete;

    Result<std::size_t> arrive_and_wait(Deadline deadline = {});
    void close();
    void reset();
    [[nodiscard]] bool is_closed();

private:
    void end_round(bool passes, sched::ReadyList& woken);

    SpinLock lock_;  // guards the rest
    const std::size_t parties_;
    std::size_t arrived_ = 0;
    bool is_closed_ = false;
    List<sched::Waiter> waiters_;  // a waiter's slot points to a bool: its round has passed
};

}  // namespace reeve
