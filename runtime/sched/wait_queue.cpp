#include "runtime/sched/wait_queue.hpp"

#include <new>

#include "runtime/base/point.hpp"
#include "runtime/sched/fork.hpp"
#include "runtime/sched/park.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {

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

namespace {

WaiterRoom& room_of(Parkable& who, std::uint8_t room) {
    const bool is_first = room == Parkable::k_first_room;
    if (!who.is_fiber) return static_cast<ThreadParkable&>(who).rooms[is_first ? 0 : 1];
    auto& fiber = static_cast<Fiber&>(who);
    return is_first ? fiber.room : fiber.its_head().second_room;
}

}  // namespace

Wait::Wait(const char* reason, Cancellable cancellable) : reason_(reason) {
    Parkable& who = current_parkable();
    rooms_taken_ = &who.rooms_taken;
    room_ = Parkable::free_room(who.rooms_taken);
    who.rooms_taken |= room_;
    // Memory comes before the wait is opened, for one that is opened is parked.
    void* memory = room_ != 0 ? room_of(who, room_).bytes : ::operator new(sizeof(Waiter), std::nothrow);
    if (!memory) fatal("no memory for a wait within the life of two others");
    waiter_ = ::new (memory) Waiter(who, who.state.open(cancellable == Cancellable::yes));
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
