#include "runtime/event.hpp"

namespace reeve {

void Event::set() {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        is_set_ = true;
        while (sched::Waiter* waiter = waiters_.claim_first()) woken.add(*waiter);
    }
    woken.ready_all();
}

void Event::reset() {
    sched::Entry entry;
    SpinGuard guard(lock_);
    is_set_ = false;
}

bool Event::is_set() {
    sched::Entry entry;
    SpinGuard guard(lock_);
    return is_set_;
}

Result<void> Event::wait(Deadline deadline) {
    sched::Entry entry;
    lock_.lock();
    if (is_set_) {
        lock_.unlock();
        return {};
    }
    sched::Waiter waiter("event");
    waiters_.push(waiter);
    lock_.unlock();
    const sched::Outcome outcome = waiter.park(deadline);
    if (outcome == sched::Outcome::ready) return {};
    SpinGuard guard(lock_);
    waiters_.remove_if_linked(waiter);
    return sched::error_of(outcome, "event wait");
}

}  // namespace reeve
