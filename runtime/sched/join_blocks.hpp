// JoinBlocks: the memory of what spawned fibers and their Joins share, a cache line each.
//
// Idea. A fiber that is spawned and joined would otherwise pay for malloc and free what a switch costs. This is the pool behind
// the processors' magazines, and it is malloc: so blocks belong to no processor, and who has none at hand asks malloc itself.
#pragma once

#include <cstddef>
#include <new>

#include "runtime/context/context.hpp"

namespace reeve::sched {

struct JoinBlocks {
    static constexpr std::size_t k_bytes = 64;

    // Sanitizers are to see each allocated anew.
    static constexpr bool fits([[maybe_unused]] std::size_t bytes) {
#ifdef REEVE_SANITIZED
        return false;
#else
        return bytes <= k_bytes;
#endif
    }

    static std::size_t take(void** into, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            into[i] = ::operator new(k_bytes, std::align_val_t{k_bytes}, std::nothrow);
            if (!into[i]) return i;
        }
        return count;
    }
    static void give(void* const* blocks, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) ::operator delete(blocks[i], std::align_val_t{k_bytes});
    }
};

}  // namespace reeve::sched
