#include "runtime/semaphore.hpp"

#include <limits>

namespace reeve {

Result<void> Semaphore::acquire(std::size_t n, Deadline deadline) {
    sched::Entry entry;
    lock_.lock();
    if (take(n)) {
        lock_.unlock();
        return {};
    }
    sched::Wait wait("semaphore");
    wait->slot = &n;
    waiters_.push_back(*wait);
    lock_.unlock();
    const sched::Outcome outcome = wait.park(deadline);
    if (outcome == sched::Outcome::ready) return {};
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        if (wait->is_linked) waiters_.remove(*wait);
        grant(woken);  // there may be enough for those who stood behind
    }
    woken.ready_all();
    return sched::error_of(outcome, "semaphore acquire");
}

bool Semaphore::try_acquire(std::size_t n) {
    sched::Entry entry;
    SpinGuard guard(lock_);
    return take(n);
}

void Semaphore::release(std::size_t n) {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        if (n > std::numeric_limits<std::size_t>::max() - available_) fatal("Semaphore: more units released than can be counted");
        available_ += n;
        grant(woken);
    }
    woken.ready_all();
}

std::size_t Semaphore::available() {
    sched::Entry entry;
    SpinGuard guard(lock_);
    return available_;
}

// Under the lock.
bool Semaphore::take(std::size_t n) {
    if (!waiters_.is_empty() || available_ < n) return false;
    available_ -= n;
    return true;
}

// Under the lock: to the front of the line, as long as there is enough.
void Semaphore::grant(sched::ReadyList& woken) {
    while (sched::Waiter* first = waiters_.first()) {
        const std::size_t wanted = *static_cast<const std::size_t*>(first->slot);
        if (available_ < wanted) return;
        waiters_.remove(*first);
        if (!first->claim(sched::Outcome::ready)) continue;  // it has just given up
        available_ -= wanted;
        woken.add(*first);
    }
}

}  // namespace reeve
