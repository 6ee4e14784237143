#include "runtime/sched/blocking_gate.hpp"

#include <algorithm>

#include "runtime/blocking.hpp"

namespace reeve::sched {

BlockingGate::BlockingGate(unsigned max_threads, unsigned processors)
    : places_(static_cast<unsigned>(std::max(1L, max_threads / 2L - 2L * processors))) {}

bool BlockingGate::has_place(const Fiber& fiber) {
    for (BlockingRegion* region = regions_.first(); region; region = region->next)
        if (region->fiber == &fiber) return true;
    return false;
}

Result<void> BlockingGate::enter(BlockingRegion& region, const Fiber& fiber, Cancellable cancellable, Deadline deadline) {
    constexpr const char* k_reason = "a turn for a blocking call";
    lock_.lock();
    if (taken_ == places_) {
        if (has_place(fiber)) {
            lock_.unlock();
            return {};
        }
        Wait wait(k_reason, cancellable);
        waiting_.push(*wait);
        lock_.unlock();
        const Outcome outcome = wait.park(deadline);
        lock_.lock();
        if (outcome != Outcome::ready) {
            waiting_.remove_if_linked(*wait);
            lock_.unlock();
            return error_of(outcome, k_reason);
        }
    } else {
        ++taken_;
    }
    region.fiber = &fiber;
    regions_.push_back(region);
    lock_.unlock();
    return {};
}

void BlockingGate::leave(BlockingRegion& region) {
    if (!region.fiber) return;
    Waiter* next;
    {
        SpinGuard guard(lock_);
        regions_.remove(region);
        next = waiting_.claim_first();
        if (!next) --taken_;
    }
    if (next) next->ready();
}

}  // namespace reeve::sched
