// TimerHeap: deadlines in the order in which they come.
//
// Idea. A four-ary heap of instants, which names waiters by small numbers, their places: so moving entries about touches the heap's
// own tables only.
//
// Part of Timers, under its lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/time.hpp"
#include "runtime/sched/fetch.hpp"
#include "runtime/sched/timer.hpp"

namespace reeve::sched {

class TimerHeap {
public:
    [[nodiscard]] std::size_t size() const { return end_ - k_root; }
    // Of the first; Deadline::k_never_ns when there is none.
    [[nodiscard]] std::int64_t earliest_ns() const { return end_ == k_root ? Deadline::k_never_ns : at(k_root).when_ns; }

    void push(const Timer& timer) {
        TimerPlace place = free_place_;
        if (place == k_no_timer) {
            place = static_cast<TimerPlace>(places_.size());
            places_.emplace_back();
        } else {
            free_place_ = places_[place].index;
        }
        places_[place].who = timer.who;
        places_[place].epoch = timer.epoch;
        timer.who->timer_place.store(place, std::memory_order_relaxed);
        if (end_ / k_arity >= lines_.size()) lines_.emplace_back();
        sift_up(end_++, {timer.when_ns, place});
    }

    // The first; there is one. Its waiter still names the place.
    Timer pop() { return remove_at(k_root); }

    void remove(TimerPlace place) { remove_at(places_[place].index); }

private:
    struct Entry {
        std::int64_t when_ns;
        TimerPlace place;
    };
    struct Place {
        Parkable* who;
        FiberState::Epoch epoch;
        std::uint32_t index;  // of its entry; of a free one: the next free place
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

    Entry& at(std::size_t index) { return lines_[index / k_arity].entries[index % k_arity]; }
    [[nodiscard]] const Entry& at(std::size_t index) const { return lines_[index / k_arity].entries[index % k_arity]; }
    void put(std::size_t index, Entry entry) {
        at(index) = entry;
        places_[entry.place].index = static_cast<std::uint32_t>(index);
    }

    void sift_up(std::size_t index, Entry entry) {
        while (index != k_root) {
            const std::size_t parent = parent_of(index);
            if (at(parent).when_ns <= entry.when_ns) break;
            put(index, at(parent));
            index = parent;
        }
        put(index, entry);
    }

    void sift_down(std::size_t index, Entry entry) {
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

    Timer remove_at(std::size_t index) {
        const Entry entry = at(index);
        const Timer removed{entry.when_ns, places_[entry.place].who, places_[entry.place].epoch};
        places_[entry.place] = {nullptr, 0, free_place_};
        free_place_ = entry.place;
        const Entry moved = at(--end_);
        if (index < end_) {
            if (index != k_root && at(parent_of(index)).when_ns > moved.when_ns)
                sift_up(index, moved);
            else
                sift_down(index, moved);
        }
        return removed;
    }

    std::vector<Line> lines_;
    std::size_t end_ = k_root;  // behind the last entry
    std::vector<Place> places_;
    TimerPlace free_place_ = k_no_timer;
};

}  // namespace reeve::sched
