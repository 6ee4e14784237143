#include "runtime/barrier.hpp"

namespace reeve {

Barrier::Barrier(std::size_t parties) : parties_(parties) {
    if (parties == 0) fatal("Barrier of 0 parties");
}

Result<std::size_t> Barrier::arrive_and_wait(Deadline deadline) {
    sched::Entry entry;
    sched::ReadyList woken;
    lock_.lock();
    if (is_closed_) {
        lock_.unlock();
        return Error(Errc::closed, "barrier");
    }
    const std::size_t place = arrived_++;
    if (arrived_ == parties_) {
        end_round(true, woken);
        lock_.unlock();
        woken.ready_all();
        return place;
    }
    sched::Wait wait("barrier");
    bool has_passed = false;
    wait->slot = &has_passed;
    waiters_.push_back(*wait);
    lock_.unlock();
    const sched::Outcome outcome = wait.park(deadline);
    if (outcome == sched::Outcome::ready) return place;
    {
        SpinGuard guard(lock_);
        if (wait->is_linked) {
            // The round has not ended: it will not.
            is_closed_ = true;
            end_round(false, woken);
        }
    }
    woken.ready_all();
    if (has_passed) return place;
    return sched::error_of(outcome, "barrier");
}

void Barrier::close() {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        is_closed_ = true;
        end_round(false, woken);
    }
    woken.ready_all();
}

void Barrier::reset() {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        is_closed_ = false;
        end_round(false, woken);
    }
    woken.ready_all();
}

bool Barrier::is_closed() {
    sched::Entry entry;
    SpinGuard guard(lock_);
    return is_closed_;
}

// Under the lock. Also those who have just given up learn what became of the round: they look once they have the lock.
void Barrier::end_round(bool passes, sched::ReadyList& woken) {
    arrived_ = 0;
    while (sched::Waiter* waiter = waiters_.pop_front()) {
        *static_cast<bool*>(waiter->slot) = passes;
        if (waiter->claim(passes ? sched::Outcome::ready : sched::Outcome::closed)) woken.add(*waiter);
    }
}

}  // namespace reeve
