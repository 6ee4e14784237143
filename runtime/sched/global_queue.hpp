// GlobalQueue, HeldQueue: the queues that belong to no processor.
//
// GlobalQueue: runnable fibers that overflowed a local queue or were made ready outside a worker. A locked list.
//
// HeldQueue: fibers whose OS thread keeps them and waits for a processor. Two exist: `returning` (threads that came back
// to the runtime after their processor was taken) and `preempted` (hogs stopped in their signal handler). push() must
// work in a signal handler, so it is one compare-exchange on a stack; whoever pops turns that stack round into a list in
// order of arrival.
//
// Callers. Any thread; only HeldQueue::push is signal-safe. Never parks.
//
// I1  A fiber is in at most one queue; a HeldQueue holds only fibers with held_by set, a GlobalQueue only others.
// I2  HeldQueue is first in, first out between two pops that empty the inbox.
#pragma once

#include <atomic>
#include <cstddef>

#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

class GlobalQueue {
public:
    void push(Fiber& fiber) {
        SpinGuard guard(lock_);
        fiber.next = nullptr;
        (last_ ? last_->next : first_) = &fiber;
        last_ = &fiber;
        size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);  // pairs with Idle (O1)
    }

    Fiber* pop() {
        if (is_empty()) return nullptr;
        SpinGuard guard(lock_);
        Fiber* fiber = first_;
        if (!fiber) return nullptr;
        first_ = fiber->next;
        if (!first_) last_ = nullptr;
        size_.store(size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        return fiber;
    }

    // The one with `index` before it, or null. O(index): for a rehearsal.
    Fiber* pop_at(std::size_t index) {
        SpinGuard guard(lock_);
        Fiber* before = nullptr;
        Fiber* fiber = first_;
        for (; fiber && index != 0; --index) {
            before = fiber;
            fiber = fiber->next;
        }
        if (!fiber) return nullptr;
        (before ? before->next : first_) = fiber->next;
        if (!fiber->next) last_ = before;
        size_.store(size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        return fiber;
    }
    [[nodiscard]] std::uint64_t newest_id() {
        SpinGuard guard(lock_);
        return last_ ? last_->id : 0;
    }

    [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_seq_cst); }  // pairs with Idle (O1)
    [[nodiscard]] bool is_empty() const { return size() == 0; }

private:
    SpinLock lock_;
    Fiber* first_ = nullptr;
    Fiber* last_ = nullptr;
    std::atomic<std::size_t> size_{0};
};

class HeldQueue {
public:
    void push(Fiber& fiber) {
        Fiber* head = inbox_.load(std::memory_order_relaxed);
        do fiber.next = head;
        while (!inbox_.compare_exchange_weak(head, &fiber, std::memory_order_seq_cst));  // pairs with Idle (O1)
        size_.fetch_add(1, std::memory_order_seq_cst);
    }

    Fiber* pop() {
        if (is_empty()) return nullptr;
        SpinGuard guard(lock_);
        if (!first_) {
            Fiber* newest = inbox_.exchange(nullptr, std::memory_order_acquire);
            while (newest) {
                Fiber* older = newest->next;
                newest->next = first_;
                first_ = newest;
                newest = older;
            }
        }
        Fiber* fiber = first_;
        if (!fiber) return nullptr;
        first_ = fiber->next;
        size_.fetch_sub(1, std::memory_order_relaxed);
        return fiber;
    }

    [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_seq_cst); }  // pairs with Idle (O1)
    [[nodiscard]] bool is_empty() const { return size() == 0; }

private:
    std::atomic<Fiber*> inbox_{nullptr};
    std::atomic<std::size_t> size_{0};
    SpinLock lock_;
    Fiber* first_ = nullptr;
};

}  // namespace reeve::sched
