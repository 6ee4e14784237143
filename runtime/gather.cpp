#include "runtime/gather.hpp"

namespace reeve::sched {

void FiberGroup::fail(std::exception_ptr error) {
    Entry entry;
    SpinGuard guard(lock_);
    if (!error_) error_ = std::move(error);
}

void FiberGroup::child_ended() {
    Entry entry;
    lock_.lock();
    ++ended_;
    // The parent looks for itself whether this is what it waits for. It may be gone once it is ready and the lock free,
    // but it joins this fiber first.
    Waiter* parent = waiters_.claim_first();
    lock_.unlock();
    if (parent) parent->ready();
}

bool FiberGroup::wait_until(bool or_failure, Cancellable cancellable) {
    Entry entry;
    for (;;) {
        lock_.lock();
        if (ended_ == joins_.size() || (or_failure && error_)) {
            lock_.unlock();
            return true;
        }
        Waiter waiter("gather", cancellable);
        waiters_.push(waiter);
        lock_.unlock();
        if (waiter.park(Deadline::never()) == Outcome::ready) continue;
        SpinGuard guard(lock_);
        waiters_.remove_if_linked(waiter);
        return false;
    }
}

void FiberGroup::cancel_all() {
    for (auto& join : joins_) join.cancel();
}

void FiberGroup::wait() {
    const bool undisturbed = wait_until(true, Cancellable::yes);
    if (!undisturbed || error_) {
        cancel_all();
        wait_until(false, Cancellable::no);
    }
    joins_.clear();  // joins: the fibers are past their last look at this group
    if (error_) std::rethrow_exception(error_);
}

}  // namespace reeve::sched
