#include "runtime/sched/join_core.hpp"

#include <algorithm>
#include <new>

#include "runtime/sched/park.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {

void* JoinCore::operator new(std::size_t bytes) {
    // A plain thread's is as large as a block: it may end as one.
    Worker* worker = current_worker();
    if (!worker || !JoinBlocks::fits(bytes)) return ::operator new(std::max(bytes, JoinBlocks::k_bytes));
    void* block = worker->processor()->join_blocks.take(worker->scheduler.join_blocks);
    if (!block) throw std::bad_alloc();
    return block;
}

void JoinCore::operator delete(void* memory, std::size_t bytes) {
    if (JoinBlocks::fits(bytes)) {
        const Entry entry;
        if (Worker* worker = current_worker()) return worker->processor()->join_blocks.give(memory, worker->scheduler.join_blocks);
    }
    ::operator delete(memory);
}

void JoinCore::bind(Fiber& fiber) {
    fiber_ = &fiber;
    fiber.join = this;
}

bool JoinCore::finish() {
    lock_.lock();
    fiber_ = nullptr;
    const bool is_released = is_released_;
    Parkable* const waiter = waiter_;
    const bool must_schedule = waiter && waiter->state.end(epoch_, Outcome::ready) == FiberState::Ended::yes_and_left;
    lock_.unlock();
    if (is_released) return true;
    is_done_.store(true, std::memory_order_release);  // I3
    if (must_schedule) schedule(*waiter);
    return false;
}

// True once the fiber has ended; false when the wait was cancelled, or the caller's own deadline has passed.
[[gnu::always_inline]] inline bool JoinCore::wait_once(bool is_cancellable) {
    lock_.lock();
    if (!fiber_) {
        lock_.unlock();
        return true;
    }
    Parkable& self = current_parkable();
    const FiberState::Epoch epoch = self.state.open(is_cancellable);
    waiter_ = &self;
    epoch_ = epoch;
    lock_.unlock();
    if (park(self, epoch, Deadline::never(), "join", Blocker::for_fiber(&fiber_)) == Outcome::ready) return true;
    SpinGuard guard(lock_);
    waiter_ = nullptr;
    return false;
}

void JoinCore::wait() {
    if (is_done()) return;
    Entry entry;
    for (bool is_cancellable = true; !wait_once(is_cancellable); is_cancellable = false) cancel();
}

void JoinCore::cancel() {
    Entry entry;
    Fiber* to_schedule = nullptr;
    {
        SpinGuard guard(lock_);
        if (fiber_ && fiber_->state.cancel(FiberState::mark_cancelled)) to_schedule = fiber_;
    }
    // Nobody else can schedule it: its wait is claimed.
    if (to_schedule) schedule(*to_schedule);
}

void JoinCore::release() {
    if (!is_done()) {
        Entry entry;
        {
            SpinGuard guard(lock_);
            if (fiber_) {
                is_released_ = true;
                return;
            }
        }
        for (Backoff backoff; !is_done(); backoff.pause()) {}
    }
    delete this;
}

}  // namespace reeve::sched
