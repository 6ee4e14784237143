#include "runtime/latch.hpp"

namespace reeve {

void Latch::count_down(std::size_t n) {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        if (n > count_) fatal("Latch: counted down below 0");
        count_ -= n;
        if (count_ == 0)
            while (sched::Waiter* waiter = waiters_.claim_first()) woken.add(*waiter);
    }
    woken.ready_all();
}

bool Latch::try_wait() {
    sched::Entry entry;
    SpinGuard guard(lock_);
    return count_ == 0;
}

Result<void> Latch::wait(Deadline deadline) {
    sched::Entry entry;
    lock_.lock();
    if (count_ == 0) {
        lock_.unlock();
        return {};
    }
    sched::Waiter waiter("latch");
    waiters_.push(waiter);
    lock_.unlock();
    const sched::Outcome outcome = waiter.park(deadline);
    if (outcome == sched::Outcome::ready) return {};
    SpinGuard guard(lock_);
    waiters_.remove_if_linked(waiter);
    return sched::error_of(outcome, "latch wait");
}

}  // namespace reeve
