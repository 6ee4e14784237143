// Magazine: what a processor keeps at hand of things that a pool has for all of them.
//
// Idea. Most of what is taken was given back a moment ago, by the same processor: it is still in the caches, and no lock is
// needed. An empty magazine is half filled from the pool, a full one gives it the colder half. After Bonwick and Adams,
// "Magazines and Vmem" (2001).
//
// A pool has take(Thing* into, count), which returns how many there were, and give(const Thing* things, count).
//
// Callers. The holder of the processor. Not signal-safe. No test's points while a pool is asked: another fiber of the processor's
// would find the magazine half changed (base/point.hpp).
#pragma once

#include <algorithm>
#include <cstddef>

#include "runtime/base/point.hpp"

namespace reeve::sched {

template <class Thing, unsigned capacity>
class Magazine {
public:
    static constexpr unsigned k_capacity = capacity;

    // A default Thing when the pool is empty, too.
    template <class Pool>
    Thing take(Pool& pool) {
        if (count_ == 0) [[unlikely]] {
            fill(pool, capacity / 2);
            if (count_ == 0) return Thing{};
        }
        return things_[--count_];
    }
    template <class Pool>
    void give(const Thing& thing, Pool& pool) {
        if (count_ == capacity) [[unlikely]]
            give_half(pool);
        things_[count_++] = thing;
    }

    // Of an empty one.
    template <class Pool>
    [[gnu::noinline, gnu::cold]] void fill(Pool& pool, unsigned count = capacity) {
        [[maybe_unused]] const NoPoints quiet;
        count_ = static_cast<unsigned>(pool.take(things_, count));
    }
    template <class Pool>
    void give_all(Pool& pool) {
        [[maybe_unused]] const NoPoints quiet;
        pool.give(things_, count_);
        count_ = 0;
    }

    [[nodiscard]] unsigned size() const { return count_; }
    // Taken after `before` others, or null.
    [[nodiscard]] const Thing* peek(unsigned before) const { return before < count_ ? &things_[count_ - 1 - before] : nullptr; }

private:
    template <class Pool>
    [[gnu::noinline, gnu::cold]] void give_half(Pool& pool) {
        [[maybe_unused]] const NoPoints quiet;
        constexpr unsigned k_half = capacity / 2;
        pool.give(things_, k_half);
        std::copy(things_ + k_half, things_ + capacity, things_);
        count_ = capacity - k_half;
    }

    Thing things_[capacity];  // the hottest last
    unsigned count_ = 0;
};

}  // namespace reeve::sched
