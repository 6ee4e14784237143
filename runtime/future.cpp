#include "runtime/future.hpp"

namespace reeve::sched {

bool FutureCore::begin_set() {
    Entry entry;
    SpinGuard guard(lock_);
    if (state_ != State::empty) return false;
    state_ = State::setting;
    return true;
}

void FutureCore::publish() {
    Entry entry;
    ReadyList woken;
    {
        SpinGuard guard(lock_);
        state_ = State::set;
        while (Waiter* waiter = waiters_.claim_first()) woken.add(*waiter);
    }
    woken.ready_all();
}

void FutureCore::abandon_set() {
    Entry entry;
    SpinGuard guard(lock_);
    state_ = State::empty;
}

Result<void> FutureCore::wait(Deadline deadline) {
    Entry entry;
    lock_.lock();
    if (state_ == State::set) {
        lock_.unlock();
        return {};
    }
    return wait_in(waiters_, lock_, "future", deadline);
}

bool FutureCore::is_ready() {
    Entry entry;
    SpinGuard guard(lock_);
    return state_ == State::set;
}

}  // namespace reeve::sched
