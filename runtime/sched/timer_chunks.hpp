// TimerChunks: the memory of a TimerWheel, in chunks of some dozen timers.
//
// Idea. Chunks come from slabs that double in size, numbered throughout, so that a number finds its chunk; the one freed last is
// used first. From the kernel, not from malloc: a timer is armed in the runtime, where nobody stops who waits for a lock of malloc,
// and the lock's holder may be a fiber that waits for this processor. Slabs are unmapped at the end.
//
// Part of Timers, under its lock.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <sys/mman.h>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/sched/timer.hpp"

namespace reeve::sched {

struct alignas(64) TimerChunk : ListNode<TimerChunk> {
    static constexpr std::uint32_t k_room = 41;

    std::uint32_t number;
    std::uint16_t slot;     // whose it is
    std::uint8_t used = 0;  // those behind were not written
    std::uint8_t live = 0;  // of the used ones, those that were not removed: they have a waiter
    Timer timers[k_room];
};
static_assert(sizeof(TimerChunk) == 1024);

class TimerChunks {
    static constexpr std::size_t k_slabs = 18;
    static constexpr std::uint32_t k_first = 64;  // chunks in the first slab

public:
    static constexpr std::uint32_t k_most = k_first << k_slabs;

    TimerChunks() = default;
    ~TimerChunks() {
        for (std::size_t slab = 0; slab < k_slabs; ++slab)
            if (slabs_[slab]) munmap(slabs_[slab], chunks_in(slab) * sizeof(TimerChunk));
    }
    TimerChunks(const TimerChunks&) = delete;
    TimerChunks& operator=(const TimerChunks&) = delete;

    // Null: there is no memory.
    TimerChunk* take() {
        TimerChunk* chunk = free_;
        if (chunk) {
            free_ = chunk->next;
        } else {
            chunk = carve();
            if (!chunk) return nullptr;
        }
        chunk->used = chunk->live = 0;
        return chunk;
    }
    void give(TimerChunk& chunk) {
        chunk.next = free_;
        free_ = &chunk;
    }

    [[nodiscard]] TimerChunk& at(std::uint32_t number) const {
        const std::size_t slab = slab_of(number);
        return slabs_[slab][number - first_of(slab)];
    }

private:
    static constexpr std::uint32_t chunks_in(std::size_t slab) { return k_first << slab; }
    static constexpr std::uint32_t first_of(std::size_t slab) { return chunks_in(slab) - k_first; }
    static constexpr std::size_t slab_of(std::uint32_t number) {
        return static_cast<std::size_t>(std::bit_width(number / k_first + 1)) - 1;
    }

    TimerChunk* carve() {
        const std::size_t slab = slab_of(carved_);
        if (slab == k_slabs) return nullptr;
        if (!slabs_[slab]) {
            void* memory = mmap(nullptr, chunks_in(slab) * sizeof(TimerChunk), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (memory == MAP_FAILED) return nullptr;
            slabs_[slab] = static_cast<TimerChunk*>(memory);
        }
        TimerChunk* chunk = ::new (static_cast<void*>(&slabs_[slab][carved_ - first_of(slab)])) TimerChunk;
        chunk->number = carved_++;
        return chunk;
    }

    std::array<TimerChunk*, k_slabs> slabs_{};
    std::uint32_t carved_ = 0;
    TimerChunk* free_ = nullptr;  // linked by `next`
};

}  // namespace reeve::sched
