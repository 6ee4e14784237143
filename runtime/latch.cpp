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
    return sched::wait_in(waiters_, lock_, "latch", deadline);
}

}  // namespace reeve
