#include "runtime/sched/wait_queue.hpp"

#include "runtime/base/point.hpp"
#include "runtime/base/virtual_clock.hpp"
#include "runtime/sched/fork.hpp"
#include "runtime/sched/park.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {

void park_thread(ThreadParkable& thread, FiberState::Epoch epoch, Deadline deadline) {
    if (thread.state.leave()) return;
    die_if_forked();
    while (!thread.parker.park_until(VirtualClock::monotonic_ns_at(deadline.ns()))) {
        // Nobody claimed it in time: this thread does. If somebody did at the last moment, his ready() wakes it.
        if (thread.state.claim(epoch, Outcome::timed_out)) {
            (void)thread.state.ready();
            return;
        }
        deadline = Deadline::never();
    }
}

Parkable& current_parkable() {
    Worker* worker = current_worker();
    if (worker && worker->current_fiber()) return *worker->current_fiber();
    return current_thread_parkable();
}

void schedule(Parkable& who) {
    if (who.is_fiber) die_if_forked();
    schedule_point(Place::inside);
    if (who.is_fiber)
        Scheduler::active()->make_runnable(static_cast<Fiber&>(who));
    else
        static_cast<ThreadParkable&>(who).parker.wake();
}

Waiter::Waiter(const char* reason, Cancellable cancellable)
    : who_(current_parkable()), epoch_(who_.state.open(cancellable == Cancellable::yes)), reason_(reason) {}

Outcome Waiter::park(Deadline deadline) { return sched::park(who_, epoch_, deadline, reason_, blocker); }

bool Waiter::is_over() const { return who_.state.is_ready(); }

bool Waiter::claim(Outcome outcome) {
    if (!who_.state.claim(epoch_, outcome)) return false;
    was_claimed_ = true;
    return true;
}

void Waiter::ready() {
    Parkable& who = who_;  // the waiter itself may be gone once it is ready
    schedule_point(Place::inside);
    if (who.state.ready()) schedule(who);
}

Result<void> wait_in(WaitQueue& queue, SpinLock& held, const char* reason, Deadline deadline) {
    Waiter waiter(reason);
    queue.push(waiter);
    held.unlock();
    const Outcome outcome = waiter.park(deadline);
    if (outcome == Outcome::ready) return {};
    SpinGuard guard(held);
    queue.remove_if_linked(waiter);
    return error_of(outcome, reason);
}

Error error_of(Outcome outcome, const char* operation) {
    switch (outcome) {
        case Outcome::timed_out: return Error(Errc::timed_out, operation);
        case Outcome::closed: return Error(Errc::closed, operation);
        case Outcome::cancelled: return Error(Errc::cancelled, operation);
        default: fatal("%s: a wait ended with outcome %d, which is no error", operation, static_cast<int>(outcome));
    }
}

}  // namespace reeve::sched
