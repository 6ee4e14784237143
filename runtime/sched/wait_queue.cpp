#include "runtime/sched/wait_queue.hpp"

#include <new>

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

Parting prepare_to_park(Fiber& fiber, FiberState::Epoch epoch, Deadline deadline, const char* reason, Blocker blocker) {
    if (fiber.holds_hook) [[unlikely]] {
        fiber.holds_hook = false;
        const StackHead& head = fiber.its_head();
        head.on_park(head.hook);
    }
    if (fiber.state.is_ready()) return {false, nullptr};
    Processor& processor = *current_worker()->processor();
    fiber.reason = reason;
    fiber.since_ns = processor.now_ns;
    fiber.blocker.store(blocker, std::memory_order_relaxed);
    if (blocker.kind() != Blocker::nobody) fiber.its_head().blocked_until_ns.store(deadline.ns(), std::memory_order_relaxed);
    fiber.phase.store(Phase::parked, std::memory_order_relaxed);
    if (deadline.is_never()) return {true, nullptr};
    processor.timers.arm(fiber, epoch, deadline.ns());
    return {true, &processor.timers};
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

void give_way() {
    Worker* worker = current_worker();
    if (worker && worker->scheduler.may_give_way(worker->current_fiber())) worker->processor()->give_way();
}

Wait::Wait(const char* reason, Cancellable cancellable) : is_taken_(nullptr), reason_(reason) {
    Parkable& who = current_parkable();
    const auto open = [&who, cancellable] { return who.state.open(cancellable == Cancellable::yes); };
    if (who.room_is_taken) [[unlikely]] {
        waiter_ = new Waiter(who, open());  // memory first: a wait that is opened is parked
        return;
    }
    who.room_is_taken = true;
    is_taken_ = &who.room_is_taken;
    WaiterRoom& room = who.is_fiber ? static_cast<Fiber&>(who).room : static_cast<ThreadParkable&>(who).room;
    waiter_ = ::new (static_cast<void*>(room.bytes)) Waiter(who, open());
}

Outcome Wait::park(Deadline deadline) {
    return sched::park(waiter_->who_, waiter_->epoch_, deadline, reason_, waiter_->blocker);
}

bool Wait::is_over() const { return waiter_->who_.state.is_ready(); }

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
    Wait wait(reason);
    queue.push(*wait);
    held.unlock();
    const Outcome outcome = wait.park(deadline);
    if (outcome == Outcome::ready) return {};
    SpinGuard guard(held);
    queue.remove_if_linked(*wait);
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
