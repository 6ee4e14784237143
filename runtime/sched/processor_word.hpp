// ProcessorWord: who holds a processor, and whether it may be taken from him.
//
// Idea. The word names the holder, by his Claim; each worker has one. A claim says whether its worker is in the runtime. While
// it runs user code anybody may take the processor; while it is in the runtime nobody may. Entering is what every call of the
// runtime begins with, so it must cost next to nothing, and taking is rare: the holder raises his claim and looks whether the
// word still names him, with no locked instruction, and the taker pays for both (asymmetric Dekker; base/barrier.hpp). After
// Go's exitsyscall and retake, but for every entry into the runtime, not for system calls only.
//
//   transition   from                   to                    by
//   enter        holder, claim down     claim up              the holder; fails when the processor was taken
//   leave        claim up               claim down            the holder
//   give         holder, claim up       next, his claim down  the holder, or (from nobody) who took it
//   take         holder, claim down     nobody                the monitor, in two steps: marks the word, looks at the claim,
//                                                             then takes it or, the claim being up, takes the mark back
//
// A processor that is given travels in user state: whoever is to get it must enter() like any holder, and until it has got a
// CPU to do so, the processor may be taken again.
//
// I1  What belongs to a processor (queues, timers, ring, counters) is touched only by its holder in the runtime, or by who took
//     it, unless that part says otherwise.
// I2  A holder that wins enter() is the holder; one that loses touches nothing of the processor.
// I3  A worker that waits for a processor has its claim down, and is named by at most one word.
//
// Orderings. enter() raises the claim, then reads the word (light barrier); take() marks the word, then reads the claim (heavy
// barrier): at least one sees the other. The taker who finds the claim up gives way; the holder who finds the mark waits for
// the taker's decision, which is some instructions away. leave() releases and take() acquires the claim, give() releases and
// enter() acquires the word: what one holder did the next one sees.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/assert.hpp"
#include "runtime/base/barrier.hpp"

namespace reeve::sched {

// Its lowest bits are free in a pointer, and its address fits 48 bits as all of user space does.
class alignas(8) Claim {
    friend class ProcessorWord;
    std::atomic<bool> is_up_{false};
};

class ProcessorWord {
public:
    using Seen = std::uint64_t;

    [[nodiscard]] bool enter(Claim& mine) {
        mine.is_up_.store(true, std::memory_order_relaxed);
        light_barrier();
        const Seen word = word_.load(std::memory_order_acquire);
        if ((word & (k_address | k_mark)) == reinterpret_cast<std::uintptr_t>(&mine)) [[likely]]
            return true;
        return enter_slowly(mine, word);
    }
    void leave(Claim& mine) {
        REEVE_ASSERT(names(load(), mine) && mine.is_up_.load(std::memory_order_relaxed));
        mine.is_up_.store(false, std::memory_order_release);
    }
    // `mine`: null for who took it (or made it).
    void give(Claim* mine, Claim& next) {
        Seen word = load() & ~k_mark;
        REEVE_ASSERT(holder(word) == mine);
        while (!word_.compare_exchange_weak(word, renewed(word) | reinterpret_cast<std::uintptr_t>(&next),
                                            std::memory_order_acq_rel, std::memory_order_relaxed)) {
            spin_pause();
            word &= ~k_mark;
        }
        if (mine) mine->is_up_.store(false, std::memory_order_release);
    }
    // `seen`: the word as read by load(). False when the holder was in the runtime or has changed.
    [[nodiscard]] bool take(Seen seen) {
        if (!is_user(seen) || !word_.compare_exchange_strong(seen, seen | k_mark, std::memory_order_acq_rel)) return false;
        heavy_barrier();
        const bool takes = !holder(seen)->is_up_.load(std::memory_order_acquire);
        word_.store(takes ? renewed(seen) : seen, std::memory_order_release);
        return takes;
    }

    [[nodiscard]] Seen load() const { return word_.load(std::memory_order_acquire); }
    // A hint for all but the holder.
    [[nodiscard]] static bool is_user(Seen word) {
        return (word & k_mark) == 0 && holder(word) && !holder(word)->is_up_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool is_held_by(const Claim& claim) const { return names(load(), claim); }

private:
    // The word is marked, or names another.
    [[gnu::noinline]] bool enter_slowly(Claim& mine, Seen word) {
        while (names(word, mine) && (word & k_mark) != 0) {
            spin_pause();
            word = word_.load(std::memory_order_acquire);
        }
        if (names(word, mine)) return true;
        mine.is_up_.store(false, std::memory_order_relaxed);
        return false;
    }

    static constexpr Seen k_mark = 1;
    static constexpr unsigned k_address_bits = 48;  // above: a generation, so that a stale look takes nothing
    static constexpr Seen k_address = (Seen{1} << k_address_bits) - 2;

    static Claim* holder(Seen word) { return reinterpret_cast<Claim*>(word & k_address); }
    static bool names(Seen word, const Claim& claim) { return (word & k_address) == reinterpret_cast<std::uintptr_t>(&claim); }
    static Seen renewed(Seen word) { return ((word >> k_address_bits) + 1) << k_address_bits; }

    std::atomic<Seen> word_{0};  // in the hands of whoever made it
};

}  // namespace reeve::sched
