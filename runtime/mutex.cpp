#include "runtime/mutex.hpp"

namespace reeve {

Result<void> Mutex::lock_slowly(Deadline deadline, sched::Cancellable cancellable) {
    sched::Entry entry;
    lock_.lock();
    const std::uintptr_t mine = held_from(__builtin_frame_address(0));
    for (std::uintptr_t word = word_.load(std::memory_order_relaxed);;) {
        const bool is_free = word == k_free;
        const std::uintptr_t next = is_free ? mine : word | k_contended;
        if (!word_.compare_exchange_weak(word, next, std::memory_order_acquire, std::memory_order_relaxed)) continue;
        if (!is_free) break;
        lock_.unlock();
        return {};
    }
    // Under the lock a contended mutex stays contended.
    sched::Wait wait("mutex", cancellable);
    wait->slot = __builtin_frame_address(0);
    wait->blocker = sched::Blocker::for_lock(&word_);
    waiters_.push(*wait);
    lock_.unlock();
    const sched::Outcome outcome = wait.park(deadline);
    if (outcome == sched::Outcome::ready) return {};  // handed over, still locked
    SpinGuard guard(lock_);
    waiters_.remove_if_linked(*wait);
    return sched::error_of(outcome, "mutex lock");
}

// A mutex is freed by unlock()'s compare-exchange alone, with lock_ released before: whoever gets it then may be the last
// user and destroy it. So where all who waited have given up, the word is made uncontended and the fast way is tried again.
void Mutex::unlock_slowly() {
    sched::Entry entry;
    for (;;) {
        lock_.lock();
        std::uintptr_t word = word_.load(std::memory_order_relaxed);
        if (word == k_free) fatal("unlock of a Mutex that is not locked");
        sched::Waiter* next = waiters_.claim_first();
        word = next ? held_from(next->slot) : word & ~k_contended;
        word_.store(waiters_.is_empty() ? word : word | k_contended, std::memory_order_release);
        lock_.unlock();
        if (next) return next->ready();
        schedule_point(Place::inside);
        if (word_.compare_exchange_strong(word, k_free, std::memory_order_release, std::memory_order_relaxed)) return;
    }
}

}  // namespace reeve
