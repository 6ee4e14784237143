// TimerHeap: the deadlines of one processor's waiters.
//
// Idea. A four-ary heap of instants, which names waiters by small numbers, their places: so moving entries about touches the heap's
// own tables only. A waiter has one timer at a time and knows its place. What is due is taken out first and fetched from memory
// together, then claimed. A timer claims its wait under the heap's lock; disarm() takes the same lock, so once it returns the waiter
// is not being looked at.
//
// Callers. arm: the holder of the processor, for the caller's own wait. disarm: the waiter. fire: the holder. earliest_ns: anybody,
// a hint.
//
// I1  A waiter does not open its next wait before its timer fired and was done with, or disarm() returned.
// I2  `timer_place` becomes k_none as the last thing that is done with a waiter: who sees that need not take the lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

class TimerHeap {
public:
    static constexpr std::uint32_t k_none = Parkable::k_no_timer;

    void arm(Parkable& who, FiberState::Epoch epoch, std::int64_t when_ns);
    // Of the waiter that was armed here last: whether the timer fired or not, it is free afterwards.
    void disarm(Parkable& who);
    // Claims what is due at `now_ns`; writes up to `room` waiters to be scheduled into `into` and returns how many.
    // `more` says that others are due.
    std::size_t fire(std::int64_t now_ns, Parkable** into, std::size_t room, bool& more);
    // Deadline::k_never_ns when there is none.
    [[nodiscard]] std::int64_t earliest_ns() const { return earliest_ns_.load(std::memory_order_relaxed); }

private:
    struct Entry {
        std::int64_t when_ns;
        std::uint32_t place;
    };
    struct Place {
        Parkable* who;           // null: the place is free
        FiberState::Epoch epoch; // of its wait
        std::uint32_t index;     // of its entry; of a free one: the next free place
    };
    // The four children of a node fill one cache line: so the root is the last of the first line. fetch.hpp's idea, in here: the
    // children's children come while the children are compared.
    static constexpr std::size_t k_arity = 4;
    struct alignas(64) Line {
        Entry entries[k_arity];
    };
    static constexpr std::size_t k_root = k_arity - 1;
    static constexpr std::size_t parent_of(std::size_t index) { return index / k_arity + k_root - 1; }
    static constexpr std::size_t first_child_of(std::size_t index) { return (index - k_root + 1) * k_arity; }
    static constexpr std::size_t k_batch = 64;

    Entry& at(std::size_t index) { return lines_[index / k_arity].entries[index % k_arity]; }
    [[nodiscard]] bool is_empty() const { return end_ == k_root; }
    void note_earliest() {
        earliest_ns_.store(is_empty() ? Deadline::k_never_ns : at(k_root).when_ns, std::memory_order_relaxed);
    }
    void put(std::size_t index, Entry entry);
    void sift_up(std::size_t index, Entry entry);
    void sift_down(std::size_t index, Entry entry);
    Place remove(std::size_t index);

    SpinLock lock_;
    std::vector<Line> lines_;
    std::size_t end_ = k_root;  // behind the last entry
    std::vector<Place> places_;
    std::uint32_t free_place_ = k_none;
    std::atomic<std::int64_t> earliest_ns_{Deadline::k_never_ns};
};

}  // namespace reeve::sched
