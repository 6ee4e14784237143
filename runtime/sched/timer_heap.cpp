#include "runtime/sched/timer_heap.hpp"

#include <algorithm>

namespace reeve::sched {

void TimerHeap::put(std::size_t index, Entry entry) {
    entries_[index] = entry;
    entry.timer->index = index;
}

void TimerHeap::sift_up(std::size_t index, Entry entry) {
    while (index > 0) {
        const std::size_t parent = (index - 1) / k_arity;
        if (entries_[parent].when_ns <= entry.when_ns) break;
        put(index, entries_[parent]);
        index = parent;
    }
    put(index, entry);
}

void TimerHeap::sift_down(std::size_t index, Entry entry) {
    for (;;) {
        const std::size_t first = index * k_arity + 1;
        if (first >= entries_.size()) break;
        const std::size_t last = std::min(first + k_arity, entries_.size());
        std::size_t least = first;
        for (std::size_t child = first + 1; child < last; ++child)
            if (entries_[child].when_ns < entries_[least].when_ns) least = child;
        if (entries_[least].when_ns >= entry.when_ns) break;
        put(index, entries_[least]);
        index = least;
    }
    put(index, entry);
}

void TimerHeap::remove(std::size_t index) {
    entries_[index].timer->index = k_not_armed;
    const Entry moved = entries_.back();
    entries_.pop_back();
    if (index < entries_.size()) {
        if (index > 0 && entries_[(index - 1) / k_arity].when_ns > moved.when_ns)
            sift_up(index, moved);
        else
            sift_down(index, moved);
    }
    earliest_ns_.store(entries_.empty() ? Deadline::k_never_ns : entries_[0].when_ns, std::memory_order_relaxed);
}

void TimerHeap::arm(Timer& timer) {
    SpinGuard guard(lock_);
    timer.heap = this;
    entries_.push_back({timer.when_ns, &timer});
    sift_up(entries_.size() - 1, {timer.when_ns, &timer});
    earliest_ns_.store(entries_[0].when_ns, std::memory_order_relaxed);
}

void TimerHeap::disarm(Timer& timer) {
    SpinGuard guard(lock_);
    if (timer.index != k_not_armed) remove(timer.index);
}

std::size_t TimerHeap::fire(std::int64_t now_ns, Parkable** into, std::size_t room, bool& more) {
    more = false;
    if (earliest_ns() > now_ns) return 0;
    SpinGuard guard(lock_);
    std::size_t count = 0;
    while (!entries_.empty() && entries_[0].when_ns <= now_ns) {
        if (count == room) {
            more = true;
            break;
        }
        Timer& timer = *entries_[0].timer;
        remove(0);
        Parkable* who = timer.who;
        // The wait cannot end before disarm() got the lock, so `who` and its epoch are still those of this timer.
        if (who->state.claim(timer.epoch, Outcome::timed_out)) into[count++] = who;
    }
    return count;
}

}  // namespace reeve::sched
