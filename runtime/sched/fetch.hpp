// fetch: bringing into the caches what is needed soon.
//
// Idea. A fiber that has waited for long has left the caches: its record, and its stack, a page of its own, have to come from
// memory, some hundred nanoseconds each. Asked for while others run, several at a time, they cost a fraction of that. With few
// runnable fibers there is nothing to fetch, and the looking costs a nanosecond or two.
//
// Any address may be asked for.
#pragma once

#include <cstddef>

#include "runtime/sched/fiber.hpp"
#include "runtime/sched/local_queue.hpp"

namespace reeve::sched {

inline void fetch_lines(const void* first, std::size_t count) {
    constexpr std::size_t k_line = 64;
    for (std::size_t i = 0; i < count; ++i) __builtin_prefetch(static_cast<const std::byte*>(first) + i * k_line, 1);
}

// What whoever ends its wait looks at first.
inline void fetch(const Parkable& who) { fetch_lines(&who, 1); }

// Of those that run soon: the record of one, and the stack of another, whose record came with an earlier call. Should it have been
// stolen, what is read there is changing: any value will do, but ThreadSanitizer need not see it.
inline void fetch_ahead([[maybe_unused]] const LocalQueue& queue) {
#ifndef REEVE_SANITIZED
    if (const Fiber* later = queue.peek(8)) fetch_lines(later, sizeof(Fiber) / 64);
    if (const Fiber* soon = queue.peek(4)) fetch_lines(soon->side.saved, 4);  // the innermost frames
#endif
}

// A stack that a fiber will begin on.
inline void fetch_top(const context::Stack& stack) {
    constexpr std::size_t k_frames = 4;  // lines below the head
    fetch_lines(reinterpret_cast<const std::byte*>(StackHead::of(stack)) - k_frames * 64, k_frames + 2);
}

}  // namespace reeve::sched
