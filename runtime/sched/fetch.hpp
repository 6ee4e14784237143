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

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "runtime/sched/fiber.hpp"
#include "runtime/sched/local_queue.hpp"
#include "runtime/sched/magazine.hpp"

namespace reeve::sched {

inline void fetch_lines(const void* first, std::size_t count) {
    constexpr std::size_t k_line = 64;
    for (std::size_t i = 0; i < count; ++i) __builtin_prefetch(static_cast<const std::byte*>(first) + i * k_line, 1);
    asm volatile("" : : "r"(first));  // else a function that does nothing else has no effects for gcc, which drops calls of it
}

// What whoever ends its wait looks at first.
inline void fetch(const Parkable& who) { fetch_lines(&who, 1); }

// What a processor has asked for, of the fibers in its run queue.
class FetchAhead {
public:
    // Before each switch. Of those that run soon: the records of a dozen; the stacks of some, together, once their records are there;
    // and of the third all that its innermost frames will need. Where many came at once, stolen or from the overflow, nothing was
    // asked for yet, and the first ones are asked for together. Should one have been stolen meanwhile, what is read there is changing:
    // any value will do, but ThreadSanitizer need not see it.
    void look([[maybe_unused]] const LocalQueue& queue) {
#ifndef REEVE_SANITIZED
        constexpr std::uint32_t k_records = 12;
        constexpr std::uint32_t k_stacks = 4;
        constexpr std::uint32_t k_soon = 2;
        const std::uint32_t waiting = queue.in_ring();
        if (waiting <= k_soon) return;
        const std::uint32_t first = queue.popped();
        const auto fetch_frames = [&queue](std::uint32_t before, std::size_t lines) {
            const Fiber* soon = queue.peek(before);
            if (soon && soon->side.saved) fetch_lines(soon->side.saved, lines);
        };
        std::uint32_t known = count_from(first, records_, waiting);
        for (; known < std::min(waiting, k_records); ++known)
            if (const Fiber* later = queue.peek(known)) fetch_lines(later, sizeof(Fiber) / 64);
        records_ = first + known;
        known = count_from(first, stacks_, waiting);
        if (known < k_stacks) {
            for (const std::uint32_t end = std::min(waiting, known + k_stacks); known < end; ++known) fetch_frames(known, 1);
            stacks_ = first + known;
        }
        fetch_frames(k_soon, 7);
#endif
    }

private:
    // How many from `first` on lie before `end`, when that is one of the places that are waiting; else it is long past.
    static std::uint32_t count_from(std::uint32_t first, std::uint32_t end, std::uint32_t waiting) {
        return end - first <= waiting ? end - first : 0;
    }

    // Places in the queue up to which they were asked for.
    std::uint32_t records_ = 0;
    std::uint32_t stacks_ = 0;
};

// The same for the stacks that fibers begin on. What was given back a moment ago is still there; what came from the pool is not.
class FetchStacks {
public:
    // Each time one was taken; `left`: the others, of which the last is taken next.
    template <unsigned capacity>
    void look(const Magazine<context::Stack, capacity>& left, bool is_refilled) {
        if (is_refilled) heads_ = frames_ = left.size();
        if (left.size() <= frames_ + 1 && left.size() >= 2) fetch_more(left);
    }

private:
    // Of the next but one the frames; and before it comes to these, the heads of some together.
    template <unsigned capacity>
    [[gnu::noinline]] void fetch_more(const Magazine<context::Stack, capacity>& left) {
        constexpr unsigned k_together = 8;
        constexpr unsigned k_ahead = 3;
        constexpr std::size_t k_frames = 9;  // lines below the head
        const auto head_of = [&left](unsigned index) { return StackHead::of(*left.peek(left.size() - 1 - index)); };
        frames_ = left.size() - 2;
        if (frames_ < heads_ + k_ahead)
            for (unsigned i = 0; i < k_together && heads_ != 0; ++i)
                if (--heads_ < left.size()) fetch_lines(head_of(heads_), 1);
        fetch_lines(reinterpret_cast<const std::byte*>(head_of(frames_)) - k_frames * 64, k_frames + 1);
    }

    // So many of the oldest were not asked for.
    unsigned heads_ = 0;
    unsigned frames_ = 0;
};

}  // namespace reeve::sched
