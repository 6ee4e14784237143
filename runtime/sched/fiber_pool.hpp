// FiberPool: the records of all fibers, packed together.
//
// Idea. Slabs of records, doubling up to one huge page each, so that a million of them are within reach of the processor's address
// caches. A freed record is used again, the one with the lowest number first, as with stacks (stack.hpp); slabs are never unmapped
// while the pool lives, so records are type-stable: a stale pointer finds a record, in phase `free` or another's.
//
// Any thread; takes a lock; never parks; not signal-safe.
//
// I1  A record is in at most one of: pool, a processor's cache, a fiber.
// I2  A record that was never handed out reads as zero: phase `free`.
// I3  As many stacks are reserved as there are records: one that begins finds one (Scheduler::begin).
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/base/number_set.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/context/stack.hpp"
#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

class FiberPool {
public:
    // `stacks`: those that fibers of the default size will take.
    explicit FiberPool(context::StackPool& stacks) : stacks_(stacks) {}
    ~FiberPool();
    FiberPool(const FiberPool&) = delete;
    FiberPool& operator=(const FiberPool&) = delete;

    // Up to `count` records into `into`; fewer only when the address space is exhausted.
    std::size_t take(Fiber** into, std::size_t count);
    void give(Fiber* const* fibers, std::size_t count);

    // Calls visit(Fiber&) for every record that was ever handed out.
    template <class Visitor>
    void for_each(Visitor visit) {
        for (std::size_t slab = 0;; ++slab) {
            Slab seen;
            {
                SpinGuard guard(lock_);
                if (slab >= slabs_.size()) return;
                seen = slabs_[slab];
                if (slab + 1 == slabs_.size()) seen.count = carved_;
            }
            for (std::size_t i = 0; i < seen.count; ++i) visit(seen.records[i]);
        }
    }

private:
    struct Slab {
        Fiber* records = nullptr;
        std::size_t count = 0;
        std::size_t bytes = 0;
        std::size_t first = 0;  // the number of its first record
    };

    bool add_slab();
    [[nodiscard]] bool has_fresh() const { return !slabs_.empty() && carved_ != slabs_.back().count; }
    [[nodiscard]] const Slab& slab_of(std::size_t number) const;

    context::StackPool& stacks_;
    SpinLock lock_;
    std::vector<Slab> slabs_;
    std::size_t carved_ = 0;  // records of the newest slab handed out so far
    NumberSet free_;
};

}  // namespace reeve::sched
