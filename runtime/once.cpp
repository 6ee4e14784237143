#include "runtime/once.hpp"

namespace reeve {

Result<Once::Turn> Once::begin(Deadline deadline, sched::Cancellable cancellable) {
    sched::Entry entry;
    lock_.lock();
    const State state = state_.load(std::memory_order_relaxed);
    if (state != State::running) {
        if (state == State::idle) state_.store(State::running, std::memory_order_relaxed);
        lock_.unlock();
        return state == State::idle ? Turn::mine : Turn::over;
    }
    sched::Wait wait("once", cancellable);
    Turn turn = Turn::over;
    wait->slot = &turn;
    waiters_.push(*wait);
    lock_.unlock();
    const sched::Outcome outcome = wait.park(deadline);
    if (outcome == sched::Outcome::ready) return turn;
    SpinGuard guard(lock_);
    waiters_.remove_if_linked(*wait);
    return sched::error_of(outcome, "once");
}

void Once::end(bool succeeded) {
    sched::Entry entry;
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        if (succeeded) {
            state_.store(State::done, std::memory_order_release);
            while (sched::Waiter* waiter = waiters_.claim_first()) woken.add(*waiter);
        } else if (sched::Waiter* next = waiters_.claim_first()) {
            *static_cast<Turn*>(next->slot) = Turn::mine;
            woken.add(*next);
        } else {
            state_.store(State::idle, std::memory_order_relaxed);
        }
    }
    woken.ready_all();
}

}  // namespace reeve
