#include "runtime/condition.hpp"

namespace reeve {

Result<void> Condition::wait(std::unique_lock<Mutex>& held, Deadline deadline) {
    if (!held.owns_lock()) fatal("wait for a Condition without holding its mutex");
    sched::Outcome outcome;
    {
        sched::Entry entry;
        lock_.lock();
        sched::Wait wait("condition");
        waiters_.push(*wait);
        lock_.unlock();
        // A notify from here on finds the waiter. unlock() may hand the mutex over but does not park: the wait that is
        // open is this one.
        held.mutex()->unlock();
        outcome = wait.park(deadline);
        if (outcome != sched::Outcome::ready) {
            SpinGuard guard(lock_);
            waiters_.remove_if_linked(*wait);
        }
    }
    held.mutex()->lock();
    if (outcome == sched::Outcome::ready) return {};
    return sched::error_of(outcome, "condition wait");
}

void Condition::notify_one() {
    sched::Entry entry;
    lock_.lock();
    sched::Waiter* waiter = waiters_.claim_first();
    lock_.unlock();
    if (waiter) waiter->ready();
}

void Condition::notify_all() {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        while (sched::Waiter* waiter = waiters_.claim_first()) woken.add(*waiter);
    }
    woken.ready_all();
}

}  // namespace reeve
