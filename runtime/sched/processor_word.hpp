// ProcessorWord: who holds a processor, and whether it may be taken from him. One compare-exchange decides.
//
// Idea. The word is a generation and one bit. The worker that was given the processor remembers the generation as its
// ticket. While it runs user code the bit is clear and anybody may take the processor; while it is in the runtime the
// bit is set and nobody may. Taking starts a new generation, so the old ticket is worth nothing from then on. After Go's
// exitsyscall and retake, but for every entry into the runtime, not for system calls only.
//
//   transition   from               to                     by
//   enter        ticket, user       ticket, runtime        the holder; fails when the processor was taken
//   leave        ticket, runtime    ticket, user           the holder
//   take         seen, user         seen + 1, runtime      the monitor; it then holds the processor
//   renew        ticket, runtime    ticket + 1, runtime    the holder, to give it to another worker
//
// A processor that is given travels in user state: whoever is to get it must claim it by enter() like any holder, and until it
// has got a CPU to do so, the processor may be taken again.
//
// I1  What belongs to a processor (queues, timers, ring, counters) is touched only by its holder in the runtime, unless
//     that part says otherwise.
// I2  A holder in user state that wins enter() is the holder; one that loses touches nothing of the processor.
//
// Orderings. leave() releases and take() acquires: the taker sees what the holder did. renew()'s value travels to the
// new holder through its parker.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/assert.hpp"

namespace reeve::sched {

class ProcessorWord {
public:
    using Ticket = std::uint64_t;

    [[nodiscard]] bool enter(Ticket ticket) {
        std::uint64_t expected = ticket << 1;
        return word_.compare_exchange_strong(expected, (ticket << 1) | k_runtime, std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }
    void leave(Ticket ticket) {
        REEVE_ASSERT(word_.load(std::memory_order_relaxed) == ((ticket << 1) | k_runtime));
        word_.store(ticket << 1, std::memory_order_release);
    }
    // `seen`: the word as read by load(). The new ticket, or 0 when the holder was in the runtime or has changed.
    [[nodiscard]] Ticket take(std::uint64_t seen) {
        if ((seen & k_runtime) != 0) return 0;
        const Ticket next = (seen >> 1) + 1;
        return word_.compare_exchange_strong(seen, (next << 1) | k_runtime, std::memory_order_acq_rel) ? next : 0;
    }
    [[nodiscard]] Ticket renew() {
        const std::uint64_t word = word_.load(std::memory_order_relaxed);
        REEVE_ASSERT((word & k_runtime) != 0);
        const Ticket next = (word >> 1) + 1;
        word_.store((next << 1) | k_runtime, std::memory_order_release);
        return next;
    }

    [[nodiscard]] std::uint64_t load() const { return word_.load(std::memory_order_acquire); }
    [[nodiscard]] static bool is_user(std::uint64_t word) { return (word & k_runtime) == 0; }
    [[nodiscard]] bool is_held_by(Ticket ticket) const { return load() >> 1 == ticket; }

private:
    static constexpr std::uint64_t k_runtime = 1;
    std::atomic<std::uint64_t> word_{(1 << 1) | k_runtime};  // generation 1, in the hands of whoever made it
};

}  // namespace reeve::sched
