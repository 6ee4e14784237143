#include "runtime/sched/wait_queue.hpp"

#include "runtime/sched/belongings.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/fork.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {
namespace {

void park_thread(ThreadParkable& thread, FiberState::Epoch epoch, Deadline deadline) {
    if (thread.state.leave()) return;
    die_if_forked();
    while (!thread.parker.park_until(deadline.ns())) {
        // Nobody claimed it in time: this thread does. If somebody did at the last moment, his ready() wakes it.
        if (thread.state.claim(epoch, Outcome::timed_out)) {
            (void)thread.state.ready();
            return;
        }
        deadline = Deadline::never();
    }
}

void park_fiber(Fiber& fiber, FiberState::Epoch epoch, Deadline deadline, const char* reason) {
    if (fiber.holds_hook) [[unlikely]] {
        fiber.holds_hook = false;
        fiber.on_park(fiber.hook);
    }
    if (fiber.state.is_ready()) return;
    Worker& worker = *current_worker();
    Processor& processor = *worker.processor();
    fiber.reason = reason;
    fiber.since_ns = processor.now_ns;
    fiber.phase.store(Phase::parked, std::memory_order_relaxed);
    if (deadline.is_never()) {
        worker.switch_away(After::parked);
        return;
    }
    Timer timer{.who = &fiber, .epoch = epoch, .when_ns = deadline.ns()};
    processor.timers.arm(timer);
    worker.switch_away(After::parked);
    timer.heap->disarm(timer);
}

}  // namespace

Parkable& current_parkable() {
    Worker* worker = current_worker();
    if (worker && worker->current_fiber()) return *worker->current_fiber();
    return current_thread_parkable();
}

void schedule(Parkable& who) {
    if (who.is_fiber) die_if_forked();
    if (who.is_fiber)
        Scheduler::active()->make_runnable(static_cast<Fiber&>(who));
    else
        static_cast<ThreadParkable&>(who).parker.wake();
}

Entry::Entry() {
    if (Worker* worker = current_worker()) worker->enter();
}

Entry::~Entry() {
    if (Worker* worker = current_worker()) worker->leave_or_yield();
}

Waiter::Waiter(const char* reason, Cancellable cancellable)
    : who_(current_parkable()), epoch_(who_.state.open(cancellable == Cancellable::yes)), reason_(reason) {}

Outcome Waiter::park(Deadline deadline) {
    if (const Belongings* own = who_.belongings.load(std::memory_order_relaxed)) [[unlikely]] {
        if (who_.state.is_cancellable()) deadline = deadline.or_sooner(own->bound);
    }
    if (who_.is_fiber)
        park_fiber(static_cast<Fiber&>(who_), epoch_, deadline, reason_);
    else if (!who_.state.is_ready())
        park_thread(static_cast<ThreadParkable&>(who_), epoch_, deadline);
    return who_.state.outcome();
}

bool Waiter::is_over() const { return who_.state.is_ready(); }

bool Waiter::claim(Outcome outcome) {
    if (!who_.state.claim(epoch_, outcome)) return false;
    was_claimed_ = true;
    return true;
}

void Waiter::ready() {
    Parkable& who = who_;  // the waiter itself may be gone once it is ready
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
