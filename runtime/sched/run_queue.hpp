// RunQueue: the bounded queue of runnable fibers that one processor owns.
//
// Idea. A ring with two ever-growing counters. The holder appends at tail and takes at head; thieves take up to half
// from head in one step. What does not fit is LocalQueue's. After Go's local run queue; unlike it there is no "next" slot,
// which thieves could not reach (a known way to starve).
//
// Callers. push, pop: the holder of the processor. steal_into: the holder of another processor, with its own queue as
// target. is_empty, size: anybody, a hint. Never parks, not signal-safe.
//
// I1  head <= tail <= head + k_capacity, as counters (they wrap; compare differences only).
// I2  Slots in [head, tail) hold fibers in phase runnable, kept by no thread (held_by is null), each in one queue.
//
// Orderings. push releases tail; steal acquires it before it reads slots. Taking is a compare-exchange on head, acquire
// and release, so that the owner's next push sees the slot free.
//
// Rejected. A deque popped at the owner's end: fast, but last-in-first-out starves old work.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

// Its capacity, a power of two, is a parameter so that models can fill it.
template <std::uint32_t capacity>
class RunQueueOf {
public:
    static constexpr std::uint32_t k_capacity = capacity;

    // `has_thieves`: steal_into() is called. Without, taking needs no compare-exchange. `first`: where the counters begin. `room`:
    // for how many, up to k_capacity.
    explicit RunQueueOf(bool has_thieves = true, std::uint32_t first = 0, std::uint32_t room = k_capacity)
        : head_(first), tail_(first), has_thieves_(has_thieves), room_(room) {}

    // False when full.
    [[nodiscard]] bool push(Fiber& fiber) {
        REEVE_ASSERT(fiber.held_by.load(std::memory_order_relaxed) == nullptr);
        const std::uint32_t head = head_.load(std::memory_order_acquire);
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head >= room_) return false;
        slot(tail).store(&fiber, std::memory_order_relaxed);
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    Fiber* pop() {
        std::uint32_t head = head_.load(std::memory_order_acquire);
        for (;;) {
            if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
            Fiber* fiber = slot(head).load(std::memory_order_relaxed);
            if (!has_thieves_) {
                head_.store(head + 1, std::memory_order_release);
                return fiber;
            }
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel, std::memory_order_acquire))
                return fiber;
        }
    }

    // How many were taken so far, by whomever: a hint.
    [[nodiscard]] std::uint32_t popped() const { return head_.load(std::memory_order_relaxed); }

    // The one that has `before` before it, or null: a hint. The holder.
    [[nodiscard]] const Fiber* peek(std::uint32_t before) const {
        const std::uint32_t at = head_.load(std::memory_order_relaxed) + before;
        const std::uint32_t behind = tail_.load(std::memory_order_relaxed) - at;
        return behind - 1 < k_capacity ? slots_[at % k_capacity].load(std::memory_order_relaxed) : nullptr;
    }

    // Takes the older half of this queue into `thief`, which must have room for it (it is empty when its owner steals).
    // Returns how many were taken.
    std::uint32_t steal_into(RunQueueOf& thief) {
        std::uint32_t head = head_.load(std::memory_order_acquire);
        for (;;) {
            const std::uint32_t available = tail_.load(std::memory_order_acquire) - head;
            if (available > k_capacity) {  // head moved between the two reads
                head = head_.load(std::memory_order_acquire);
                continue;
            }
            const std::uint32_t count = available - available / 2;
            if (count == 0) return 0;
            const std::uint32_t to = thief.tail_.load(std::memory_order_relaxed);
            for (std::uint32_t i = 0; i < count; ++i)
                thief.slot(to + i).store(slot(head + i).load(std::memory_order_relaxed), std::memory_order_relaxed);
            if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
                thief.tail_.store(to + count, std::memory_order_release);
                return count;
            }
        }
    }

    [[nodiscard]] std::uint32_t size() const {
        const std::uint32_t head = head_.load(std::memory_order_acquire);
        const std::uint32_t tail = tail_.load(std::memory_order_acquire);
        return tail - head > k_capacity ? 0 : tail - head;
    }
    [[nodiscard]] bool is_empty() const { return size() == 0; }

private:
    std::atomic<Fiber*>& slot(std::uint32_t index) { return slots_[index % k_capacity]; }

    alignas(64) std::atomic<std::uint32_t> head_;
    alignas(64) std::atomic<std::uint32_t> tail_;
    const bool has_thieves_;
    const std::uint32_t room_;
    std::array<std::atomic<Fiber*>, k_capacity> slots_{};
};

using RunQueue = RunQueueOf<256>;

}  // namespace reeve::sched
