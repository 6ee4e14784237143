// fetch: bringing into the caches what is needed soon.
//
// Idea. A fiber that has waited for long has left the caches: its record, and its stack, a page of its own, have to come from
// memory, some hundred nanoseconds each. Asked for while others run, several at a time, they cost a fraction of that. With few
// runnable fibers there is nothing to fetch, and the looking costs a nanosecond or two.
//
// An address whose page the processor does not know holds up whoever asks for it until the page tables were walked, 200 ns in a
// virtual machine; several that follow each other are walked for at once. So the stacks of some are asked for together.
//
// Any address may be asked for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/sched/fiber.hpp"
#include "runtime/sched/local_queue.hpp"

namespace reeve::sched {

inline void fetch_lines(const void* first, std::size_t count) {
    constexpr std::size_t k_line = 64;
    for (std::size_t i = 0; i < count; ++i) __builtin_prefetch(static_cast<const std::byte*>(first) + i * k_line, 1);
}

// What whoever ends its wait looks at first.
inline void fetch(const Parkable& who) { fetch_lines(&who, 1); }

// Before each switch, of those that run soon: the record of one; every so often the stacks of some, whose records came with earlier
// calls; and of the third all that its innermost frames will need. Should one have been stolen, what is read there is
// changing: any value will do, but ThreadSanitizer need not see it.
inline void fetch_ahead([[maybe_unused]] const LocalQueue& queue, [[maybe_unused]] std::uint32_t switches) {
#ifndef REEVE_SANITIZED
    constexpr std::uint32_t k_together = 4;
    constexpr std::uint32_t k_soon = 2;
    if (!queue.has_more_than(k_soon)) return;
    const auto fetch_frames = [&queue](std::uint32_t before, std::size_t lines) {
        const Fiber* soon = queue.peek(before);
        if (soon && soon->side.saved) fetch_lines(soon->side.saved, lines);
    };
    if (const Fiber* later = queue.peek(3 * k_together)) fetch_lines(later, sizeof(Fiber) / 64);
    if (switches % k_together == 0)
        for (std::uint32_t before = k_together; before < 2 * k_together; ++before) fetch_frames(before, 1);
    fetch_frames(k_soon, 8);
#endif
}

// A stack that a fiber will begin on.
inline void fetch_top(const context::Stack& stack) {
    constexpr std::size_t k_frames = 4;  // lines below the head
    fetch_lines(reinterpret_cast<const std::byte*>(StackHead::of(stack)) - k_frames * 64, k_frames + 2);
}

}  // namespace reeve::sched
