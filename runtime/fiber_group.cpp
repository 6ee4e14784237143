#include "runtime/fiber_group.hpp"

#include "runtime/sched/belongings.hpp"

namespace reeve::sched {

FiberGroup::FiberGroup(const char* reason, Deadline deadline, Attachment* owner)
    : reason_(reason), deadline_(deadline.or_sooner(this_fiber::deadline())), owner_(owner) {}

FiberGroup::~FiberGroup() {
    {
        Entry entry;
        SpinGuard guard(lock_);
        if (children_.is_empty()) return;
    }
    cancel(Error(Errc::cancelled, "left by an exception"));
    leave();
}

void FiberGroup::admit(Member& child, Fiber& fiber) {
    child.fiber = &fiber;
    fiber.its_head().group.store(this, std::memory_order_relaxed);
    SpinGuard guard(lock_);
    children_.push_back(child);
    if (cause_) (void)fiber.state.cancel(FiberState::mark_cancelled);  // it has not begun: nothing to schedule
}

void FiberGroup::end(Member& child) {
    drop_belongings(*child.fiber);
    Entry entry;
    ReadyList woken;
    {
        SpinGuard guard(lock_);
        children_.remove(child);
        if (children_.is_empty())
            while (Waiter* waiter = waiters_.claim_first()) woken.add(*waiter);
    }
    // The group may be gone, unless somebody waits who is not ready yet.
    woken.ready_all();
}

void FiberGroup::fail(Failure failure) {
    Entry entry;
    WakeList woken;
    {
        SpinGuard guard(lock_);
        if (failure_.index() != 0) return;
        // Who returns `cancelled` in a group that was cancelled has done as told.
        const Error* error = std::get_if<Error>(&failure);
        if (error && cause_ && *error == Errc::cancelled) return;
        failure_ = std::move(failure);
        const Error cause(Errc::cancelled, "another fiber of the scope failed");
        if (owner_) owner_->hit(cause, woken);
        cancel_all(cause, woken);
    }
    woken.schedule_all();
}

void FiberGroup::cancel_all(Error cause, WakeList& woken) {
    if (cause_) return;
    cause_ = cause;
    for (Member* child = children_.first(); child; child = child->next) woken.cancel(*child->fiber);
}

void FiberGroup::cancel(Error cause, WakeList& woken) {
    SpinGuard guard(lock_);
    cancel_all(cause, woken);
}

void FiberGroup::cancel(Error cause) {
    Entry entry;
    WakeList woken;
    cancel(cause, woken);
    woken.schedule_all();
}

std::optional<Error> FiberGroup::cause() {
    Entry entry;
    SpinGuard guard(lock_);
    return cause_;
}

std::optional<Error> FiberGroup::error() {
    Entry entry;
    SpinGuard guard(lock_);
    const Error* error = std::get_if<Error>(&failure_);
    return error ? std::optional(*error) : std::nullopt;
}

bool FiberGroup::has_failed() {
    Entry entry;
    SpinGuard guard(lock_);
    return failure_.index() != 0;
}

Result<void> FiberGroup::wait(Deadline deadline, Cancellable cancellable) {
    Entry entry;
    for (;;) {
        lock_.lock();
        if (children_.is_empty()) {
            lock_.unlock();
            return {};
        }
        Wait wait(reason_, cancellable);
        wait->blocker = Blocker::for_group(this);
        waiters_.push(*wait);
        lock_.unlock();
        const Outcome outcome = wait.park(deadline);
        if (outcome == Outcome::ready) continue;
        SpinGuard guard(lock_);
        waiters_.remove_if_linked(*wait);
        return error_of(outcome, reason_);
    }
}

void FiberGroup::leave() {
    const DeadlineGuard unbounded(Deadline::never(), DeadlineGuard::Mode::replace);  // I3
    if (wait({}, Cancellable::yes)) return;
    cancel(this_fiber::cause().value_or(Error(Errc::cancelled, reason_)));
    (void)wait({}, Cancellable::no);
}

void FiberGroup::rethrow() {
    if (auto* error = std::get_if<std::exception_ptr>(&failure_); error && *error)
        std::rethrow_exception(std::exchange(*error, nullptr));
}

}  // namespace reeve::sched
