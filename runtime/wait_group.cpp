#include "runtime/wait_group.hpp"

#include <atomic>

#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

// The count comes down to zero under the lock, which those who begin to wait hold; all other steps need not take it.
struct WaitGroup::Core {
    SpinLock lock;
    std::atomic<long> count{0};
    sched::WaitQueue waiters;
};

WaitGroup::WaitGroup() : core_(std::make_shared<Core>()) {}

void WaitGroup::add(long count) const {
    // It will be written: without this its line is fetched from another CPU twice, to read and to write.
    __builtin_prefetch(&core_->count, 1);
    long old = core_->count.load(std::memory_order_relaxed);
    // Release: what this fiber did is seen by whoever waits, through all steps in between.
    while (old + count > 0)
        if (core_->count.compare_exchange_weak(old, old + count, std::memory_order_acq_rel, std::memory_order_relaxed)) return;
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(core_->lock);
        const long left = core_->count.fetch_add(count, std::memory_order_acq_rel) + count;
        if (left < 0) fatal("WaitGroup: done() was called more often than add() announced");
        if (left == 0)
            while (sched::Waiter* waiter = core_->waiters.claim_first()) woken.add(*waiter);
    }
    woken.ready_all();
}

Result<void> WaitGroup::wait(Deadline deadline) const {
    sched::Entry entry;
    core_->lock.lock();
    if (core_->count.load(std::memory_order_acquire) == 0) {
        core_->lock.unlock();
        return {};
    }
    return sched::wait_in(core_->waiters, core_->lock, "wait group", deadline);
}

}  // namespace reeve
