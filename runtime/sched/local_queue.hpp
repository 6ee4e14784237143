// LocalQueue: all that is runnable on one processor: its bounded run queue, and what did not fit into it.
//
// Idea. While a processor has few runnable fibers they run first in, first out. With more, those that have begun still do: they
// wait in a list, and whatever comes later goes behind them. New fibers that do not fit wait on a stack: the newest are begun
// first. Fibers that start others then go down one branch before the next, so that the number of stacks in use grows with
// the depth of a tree and not with its breadth (a million leaves: some thousand stacks instead of 300,000). Thieves take the
// oldest, from which most will come (Cilk's work stealing; Go's overflow is one global queue, breadth first). A server
// that is flooded answers the newest requests in time instead of all too late ("adaptive LIFO").
// So that nothing starves, each refill takes some of both, and now and then the oldest new fiber is begun (pop_oldest).
//
// Callers. push, pop, pop_oldest: the holder of the processor. steal_into: the holder of another, with its own queue as target.
// is_empty, size: anybody, a hint. Takes a lock only while there is an overflow. Never parks, not signal-safe.
//
// I1  A fiber is in the run queue or in one of the lists, once.
// I2  While there is an overflow nothing is pushed to the run queue: of fibers that have begun none overtakes another.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/global_queue.hpp"
#include "runtime/sched/run_queue.hpp"

namespace reeve::sched {

// `capacity`: of the run queue; `refill`: how many of the overflow are taken at a time; few, so that new fibers are begun depth
// first. Parameters so that models can fill it.
template <std::uint32_t capacity, std::uint32_t k_refill>
class LocalQueueOf {
public:
    // `has_thieves`: steal_into() is called. `instead`: where all fibers go, in a rehearsal (rehearsal.hpp).
    explicit LocalQueueOf(bool has_thieves = true, GlobalQueue* instead = nullptr)
        : ring_(has_thieves, 0, instead ? 0 : capacity), instead_(instead) {}

    void push(Fiber& fiber) {
        if (overflow() == 0 && ring_.push(fiber)) [[likely]]
            return;
        push_slowly(fiber);
    }

    Fiber* pop() {
        if (Fiber* fiber = ring_.pop()) [[likely]]
            return fiber;
        return overflow() == 0 ? nullptr : pop_slowly();
    }

    // One that is run soon, or null: a hint.
    [[nodiscard]] const Fiber* peek(std::uint32_t before) const { return ring_.peek(before); }
    // So many will be popped before it is refilled, and so many were: hints.
    [[nodiscard]] std::uint32_t in_ring() const { return ring_.size(); }
    [[nodiscard]] std::uint32_t popped() const { return ring_.popped(); }

    // Of the new fibers that wait in the overflow.
    Fiber* pop_oldest() {
        if (overflow() == 0) return nullptr;
        SpinGuard guard(lock_);
        Fiber* fiber = fresh_.pop_front();
        if (fiber) add_to_overflow(-1);
        return fiber;
    }

    // Takes some of the oldest into `thief`, which is empty. Returns how many were taken.
    std::uint32_t steal_into(LocalQueueOf& thief) {
        if (overflow() == 0) return ring_.steal_into(thief.ring_);
        return refill(thief, k_refill / 2, &List<Fiber>::first);
    }

    // The overflow first: what is moved from there to the run queue meanwhile is seen in one of the two.
    [[nodiscard]] std::uint32_t size() const {
        const std::uint32_t waiting = overflow();
        return waiting + ring_.size();
    }
    [[nodiscard]] bool is_empty() const { return size() == 0; }

private:
    [[nodiscard]] std::uint32_t overflow() const { return overflow_.load(std::memory_order_acquire); }
    void add_to_overflow(std::int32_t count) {
        overflow_.store(overflow_.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(count), std::memory_order_release);
    }

    [[gnu::noinline]] void push_slowly(Fiber& fiber) {
        if (instead_) return instead_->push(fiber);
        SpinGuard guard(lock_);
        (fiber.has_begun ? begun_ : fresh_).push_back(fiber);
        add_to_overflow(1);
    }
    [[gnu::noinline]] Fiber* pop_slowly() {
        refill(*this, k_refill - k_refill / 4, &List<Fiber>::last);
        return ring_.pop();
    }

    // Moves up to k_refill of the overflow to the run queue of `target`, which has room: so many that have begun, and new ones,
    // which run in the order in which they came. `end`: the one to begin with, or to end with.
    std::uint32_t refill(LocalQueueOf& target, std::uint32_t begun, Fiber* (List<Fiber>::*end)() const) {
        SpinGuard guard(lock_);
        std::uint32_t moved = 0;
        const auto move = [&](List<Fiber>& from, Fiber* fiber) {
            Fiber* next = fiber->next;
            from.remove(*fiber);
            if (!target.ring_.push(*fiber)) fatal("a run queue that is refilled has no room");
            ++moved;
            return next;
        };
        while (moved < begun && !begun_.is_empty()) move(begun_, begun_.first());
        Fiber* next = (fresh_.*end)();
        if (end == &List<Fiber>::last)
            for (std::uint32_t more = moved + 1; next && next->previous && more < k_refill; ++more) next = next->previous;
        while (next && moved < k_refill) next = move(fresh_, next);
        add_to_overflow(-static_cast<std::int32_t>(moved));
        return moved;
    }

    RunQueueOf<capacity> ring_;
    GlobalQueue* const instead_;
    SpinLock lock_;  // guards the lists
    List<Fiber> begun_;
    List<Fiber> fresh_;
    std::atomic<std::uint32_t> overflow_{0};  // how many are in the lists
};

using LocalQueue = LocalQueueOf<RunQueue::k_capacity, 32>;

}  // namespace reeve::sched
