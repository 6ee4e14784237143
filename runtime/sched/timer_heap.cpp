#include "runtime/sched/timer_heap.hpp"

#include <algorithm>

#include "runtime/sched/fetch.hpp"

namespace reeve::sched {

void TimerHeap::put(std::size_t index, Entry entry) {
    at(index) = entry;
    places_[entry.place].index = static_cast<std::uint32_t>(index);
}

void TimerHeap::sift_up(std::size_t index, Entry entry) {
    while (index != k_root) {
        const std::size_t parent = parent_of(index);
        if (at(parent).when_ns <= entry.when_ns) break;
        put(index, at(parent));
        index = parent;
    }
    put(index, entry);
}

void TimerHeap::sift_down(std::size_t index, Entry entry) {
    for (;;) {
        const std::size_t first = first_child_of(index);
        if (first >= end_) break;
        if (const std::size_t theirs = first_child_of(first); theirs < end_) fetch_lines(&at(theirs), k_arity);
        const std::size_t last = std::min(first + k_arity, end_);
        std::size_t least = first;
        for (std::size_t child = first + 1; child < last; ++child)
            if (at(child).when_ns < at(least).when_ns) least = child;
        if (at(least).when_ns >= entry.when_ns) break;
        put(index, at(least));
        index = least;
    }
    put(index, entry);
}

TimerHeap::Place TimerHeap::remove(std::size_t index) {
    const std::uint32_t place = at(index).place;
    const Place removed = places_[place];
    places_[place] = {nullptr, 0, free_place_};
    free_place_ = place;
    const Entry moved = at(--end_);
    if (index < end_) {
        if (index != k_root && at(parent_of(index)).when_ns > moved.when_ns)
            sift_up(index, moved);
        else
            sift_down(index, moved);
    }
    note_earliest();
    return removed;
}

void TimerHeap::arm(Parkable& who, FiberState::Epoch epoch, std::int64_t when_ns) {
    SpinGuard guard(lock_);
    std::uint32_t place = free_place_;
    if (place == k_none) {
        place = static_cast<std::uint32_t>(places_.size());
        places_.emplace_back();
    } else {
        free_place_ = places_[place].index;
    }
    places_[place].who = &who;
    places_[place].epoch = epoch;
    who.timer_place.store(place, std::memory_order_relaxed);
    if (end_ / k_arity >= lines_.size()) lines_.emplace_back();
    sift_up(end_++, {when_ns, place});
    note_earliest();
}

void TimerHeap::disarm(Parkable& who) {
    if (who.timer_place.load(std::memory_order_acquire) == k_none) return;
    SpinGuard guard(lock_);
    const std::uint32_t place = who.timer_place.load(std::memory_order_relaxed);
    if (place == k_none) return;
    remove(places_[place].index);
    who.timer_place.store(k_none, std::memory_order_relaxed);
}

std::size_t TimerHeap::fire(std::int64_t now_ns, Parkable** into, std::size_t room, bool& more) {
    more = false;
    if (earliest_ns() > now_ns) return 0;
    SpinGuard guard(lock_);
    Place due[k_batch];
    std::size_t taken = 0;
    while (taken < std::min(room, k_batch) && earliest_ns() <= now_ns) {
        due[taken] = remove(k_root);
        fetch(*due[taken++].who);
    }
    more = earliest_ns() <= now_ns;
    std::size_t count = 0;
    for (std::size_t i = 0; i < taken; ++i) {
        Parkable* who = due[i].who;
        // The wait cannot end before disarm() saw the place, so this is still the wait that the timer was armed for.
        if (who->state.claim(due[i].epoch, Outcome::timed_out)) into[count++] = who;
        who->timer_place.store(k_none, std::memory_order_release);  // I2
    }
    return count;
}

}  // namespace reeve::sched
