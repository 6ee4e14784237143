// JoinBlocks: the memory of what spawned fibers and their Joins share, a cache line each.
//
// Idea. A fiber that is spawned and joined would otherwise pay for malloc and free what a switch costs. This is the pool behind
// the processors' magazines. Each block comes from malloc by itself: so it may end anywhere, and outlive the pool.
//
// Any thread; takes a lock; never parks; not signal-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

#include "runtime/base/spin_lock.hpp"
#include "runtime/context/context.hpp"

namespace reeve::sched {

class JoinBlocks {
public:
    static constexpr std::size_t k_bytes = 64;

    // Sanitizers are to see each allocated anew.
    static constexpr bool fits([[maybe_unused]] std::size_t bytes) {
#ifdef REEVE_SANITIZED
        return false;
#else
        return bytes <= k_bytes;
#endif
    }

    JoinBlocks() { free_.reserve(k_most); }
    ~JoinBlocks() {
        for (void* block : free_) ::operator delete(block);
    }
    JoinBlocks(const JoinBlocks&) = delete;
    JoinBlocks& operator=(const JoinBlocks&) = delete;

    // Fewer only when memory is exhausted.
    std::size_t take(void** into, std::size_t count) {
        std::size_t taken = 0;
        {
            SpinGuard guard(lock_);
            for (; taken < count && !free_.empty(); free_.pop_back()) into[taken++] = free_.back();
        }
        while (taken < count && (into[taken] = ::operator new(k_bytes, std::nothrow))) ++taken;
        return taken;
    }
    void give(void* const* blocks, std::size_t count) {
        std::size_t kept;
        {
            SpinGuard guard(lock_);
            kept = std::min(count, k_most - free_.size());
            free_.insert(free_.end(), blocks, blocks + kept);
        }
        for (; kept < count; ++kept) ::operator delete(blocks[kept]);
    }

private:
    static constexpr std::size_t k_most = 4096;

    SpinLock lock_;
    std::vector<void*> free_;
};

}  // namespace reeve::sched
