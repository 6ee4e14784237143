// FreedStacks: by their tops, in the order in which they were freed. Taken from the young end, trimmed from the old one.
//
// A ring whose room is made, and touched, when stacks are: who frees a million at once, under the pool's lock, waits neither for an
// allocator nor for the kernel to find memory. Guarded by that lock.
#pragma once

#include <bit>
#include <cstddef>
#include <memory>

#include "runtime/base/assert.hpp"

namespace reeve::context {

class FreedStacks {
public:
    // For `count` in all. std::bad_alloc.
    void reserve(std::size_t count) {
        if (count <= room_) return;
        const std::size_t room = std::bit_ceil(count);
        auto tops = std::make_unique<std::byte*[]>(room);
        for (std::size_t i = 0; i < size_; ++i) tops[i] = at(i);
        tops_ = std::move(tops);
        room_ = room;
        oldest_ = 0;
    }

    [[nodiscard]] std::size_t size() const { return size_; }

    void push(std::byte* top) {
        REEVE_ASSERT(size_ < room_);
        at(size_++) = top;
    }
    std::byte* pop_youngest() { return at(--size_); }  // there is one
    std::byte* pop_oldest() {                          // there is one
        std::byte* top = at(0);
        ++oldest_;
        --size_;
        return top;
    }

private:
    std::byte*& at(std::size_t index) { return tops_[(oldest_ + index) & (room_ - 1)]; }

    std::unique_ptr<std::byte*[]> tops_;
    std::size_t room_ = 0;  // a power of two
    std::size_t oldest_ = 0;
    std::size_t size_ = 0;
};

}  // namespace reeve::context
