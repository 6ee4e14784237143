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

// Memory comes before the wait is opened, for one that is opened is parked.
inline WaiterRoom& Wait::take_room(Parkable& who) {
    rooms_taken_ = &who.rooms_taken;
    auto* fiber = who.is_fiber ? &static_cast<Fiber&>(who) : nullptr;
    auto* thread = who.is_fiber ? nullptr : &static_cast<ThreadParkable&>(who);
    if ((who.rooms_taken & Parkable::k_first_room) == 0) [[likely]] {
        room_ = Parkable::k_first_room;
        who.rooms_taken |= room_;
        return fiber ? fiber->room : thread->rooms[0];
    }
    if ((who.rooms_taken & Parkable::k_second_room) == 0) {
        room_ = Parkable::k_second_room;
        who.rooms_taken |= room_;
        return fiber ? fiber->its_head().second_room : thread->rooms[1];
    }
    auto* more = static_cast<WaiterRoom*>(::operator new(sizeof(WaiterRoom), std::nothrow));
    if (!more) fatal("no memory for a wait within the life of two others");
    return *more;
}

Wait::Wait(const char* reason, Cancellable cancellable) : reason_(reason) {
    Parkable& who = current_parkable();
    WaiterRoom& room = take_room(who);
    waiter_ = ::new (static_cast<void*>(room.bytes)) Waiter(who, who.state.open(cancellable == Cancellable::yes));
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
