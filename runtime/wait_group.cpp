#include "runtime/wait_group.hpp"

#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

struct WaitGroup::Core {
    SpinLock lock;
    long count = 0;
    sched::WaitQueue waiters;
};

WaitGroup::WaitGroup() : core_(std::make_shared<Core>()) {}

void WaitGroup::add(long count) const {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(core_->lock);
        core_->count += count;
        if (core_->count < 0) fatal("WaitGroup: done() was called more often than add() announced");
        if (core_->count == 0)
            while (sched::Waiter* waiter = core_->waiters.claim_first()) woken.add(*waiter);
    }
    woken.ready_all();
}

Result<void> WaitGroup::wait(Deadline deadline) const {
    sched::Entry entry;
    core_->lock.lock();
    if (core_->count == 0) {
        core_->lock.unlock();
        return {};
    }
    return sched::wait_in(core_->waiters, core_->lock, "wait group", deadline);
}

}  // namespace reeve
