#include "runtime/mutex.hpp"

namespace reeve {

Result<void> Mutex::lock_slowly(Deadline deadline, sched::Cancellable cancellable) {
    sched::Entry entry;
    lock_.lock();
    // Under the lock a contended mutex stays contended; from free to contended means: it is ours, and unlock() will look
    // into the queue for nothing once.
    if (word_.exchange(k_contended, std::memory_order_acquire) == k_free) {
        lock_.unlock();
        return {};
    }
    sched::Waiter waiter("mutex", cancellable);
    waiters_.push(waiter);
    lock_.unlock();
    const sched::Outcome outcome = waiter.park(deadline);
    if (outcome == sched::Outcome::ready) return {};  // handed over, still locked
    SpinGuard guard(lock_);
    waiters_.remove_if_linked(waiter);
    return sched::error_of(outcome, "mutex lock");
}

void Mutex::unlock_slowly() {
    sched::Entry entry;
    lock_.lock();
    sched::Waiter* next = waiters_.claim_first();
    if (!next) {
        if (word_.exchange(k_free, std::memory_order_release) == k_free) fatal("unlock of a Mutex that is not locked");
    } else if (waiters_.is_empty()) {
        word_.store(k_locked, std::memory_order_release);
    }
    lock_.unlock();
    if (next) next->ready();
}

}  // namespace reeve
