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

// A mutex is freed by unlock()'s compare-exchange alone, with lock_ released before: whoever gets it then may be the last
// user and destroy it. So where all who waited have given up, the word is made uncontended and the fast way is tried again.
void Mutex::unlock_slowly() {
    sched::Entry entry;
    for (;;) {
        lock_.lock();
        if (word_.load(std::memory_order_relaxed) == k_free) fatal("unlock of a Mutex that is not locked");
        sched::Waiter* next = waiters_.claim_first();
        if (waiters_.is_empty()) word_.store(k_locked, std::memory_order_release);
        lock_.unlock();
        if (next) return next->ready();
        std::uint32_t expected = k_locked;
        if (word_.compare_exchange_strong(expected, k_free, std::memory_order_release, std::memory_order_relaxed)) return;
    }
}

}  // namespace reeve
