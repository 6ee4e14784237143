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
    return sched::wait_in(waiters_, lock_, "event", deadline);
}

}  // namespace reeve
