#include "runtime/sched/timer_heap.hpp"

#include <algorithm>

#include "runtime/sched/fetch.hpp"

namespace reeve::sched {

void TimerHeap::put(std::size_t index, Entry entry) {
    entries_[index] = entry;
    places_[entry.place].index = static_cast<std::uint32_t>(index);
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

TimerHeap::Place TimerHeap::remove(std::size_t index) {
    const std::uint32_t place = entries_[index].place;
    const Place removed = places_[place];
    places_[place] = {nullptr, 0, free_place_};
    free_place_ = place;
    const Entry moved = entries_.back();
    entries_.pop_back();
    if (index < entries_.size()) {
        if (index > 0 && entries_[(index - 1) / k_arity].when_ns > moved.when_ns)
            sift_up(index, moved);
        else
            sift_down(index, moved);
    }
    earliest_ns_.store(entries_.empty() ? Deadline::k_never_ns : entries_[0].when_ns, std::memory_order_relaxed);
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
    entries_.emplace_back();
    sift_up(entries_.size() - 1, {when_ns, place});
    earliest_ns_.store(entries_[0].when_ns, std::memory_order_relaxed);
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
    while (taken < std::min(room, k_batch) && !entries_.empty() && entries_[0].when_ns <= now_ns) {
        due[taken] = remove(0);
        fetch(*due[taken++].who);
    }
    more = !entries_.empty() && entries_[0].when_ns <= now_ns;
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
