// FiberState: the state word of whoever may wait, fiber or plain OS thread. The only way to park and to be woken.
//
// Idea. A wait is opened, claimed by exactly one party, and made ready by that party. Between the claim and the ready
// the claimer may hand something over (a channel's value, a result), for the waiter cannot run yet. A fiber's stack may
// still be in use when its wait is claimed: it says `left` only after its stack has been left, and whoever comes second
// of `left` and `ready` puts it on a run queue. Epochs make stale claims harmless (Boost.Fiber's waker).
//
//   transition   from                 to                  by                                    publishes
//   open         closed               waiting (epoch+1)   the waiter, on its own stack          its Waiter
//   claim        waiting              claimed + outcome   anybody who knows the epoch           nothing yet
//   ready        claimed              ready               the claimer, exactly once             what it handed over
//   end          waiting              ready + outcome     anybody who knows the epoch: claim    nothing
//                                                         and ready in one, handing nothing over
//   leave        not left             left                the scheduler, on the next stack      the waiter's stack
//   cancel       waiting+cancellable  ready, `cancelled`  anybody; else only marks the word     the mark
//   outcome      ready                closed              the waiter, once it runs again
//
// Callers are named per method. Nothing here parks or schedules: results marked [[nodiscard]] say what the caller must
// do next. Not for signal handlers.
//
// I1  Of all claims on one epoch exactly one succeeds.
// I2  Exactly one of ready() (or end()) and leave() of an epoch returns true ("schedule it"), and it is the later one.
// I3  Once a mark (cancelled, hung up, attached) is set, every cancellable wait opened later is over before it starts, unless
//     the waiter is shielded.
//
// Orderings. ready() releases and leave() acquires and the reverse, so that the one who schedules sees both the stack
// and what was handed over; all transitions are read-modify-writes of one word, so I1-I3 need no further barrier.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/assert.hpp"

namespace reeve::sched {

enum class Outcome : std::uint8_t { none, ready, closed, timed_out, cancelled };

class FiberState {
public:
    using Epoch = std::uint64_t;

    enum Mark : std::uint64_t {
        mark_cancelled = 1U << 4,  // cancel() was asked for: stays
        mark_hung_up = 1U << 5,    // the peer went away: taken back by who watched it
        mark_attached = 1U << 6,   // what it is attached to was cancelled: taken back when it is detached (belongings.hpp)
    };

    // Waiter only, no wait being open. A marked waiter's cancellable wait is over at once with `cancelled`.
    Epoch open(bool cancellable) {
        std::uint64_t old = word_.load(std::memory_order_relaxed);
        std::uint64_t next;
        do {
            next = (old & k_kept) | ((old & k_epoch_mask) + k_epoch_one);
            if (cancellable && (old & k_kept) != 0 && (old & k_shielded) == 0)
                next |= k_ready | outcome_bits(Outcome::cancelled);
            else
                next |= k_waiting | (cancellable ? k_cancellable : 0);
        } while (!word_.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed));
        return next >> k_epoch_shift;
    }

    // Any thread. True: the caller owns the wake-up and must call ready().
    [[nodiscard]] bool claim(Epoch epoch, Outcome outcome) {
        std::uint64_t old = word_.load(std::memory_order_relaxed);
        do {
            if (old >> k_epoch_shift != epoch || (old & k_waiting) == 0) return false;
        } while (!word_.compare_exchange_weak(old, (old & ~k_waiting) | outcome_bits(outcome),
                                              std::memory_order_acq_rel, std::memory_order_relaxed));
        return true;
    }

    // The claimer. True: the caller must schedule the waiter.
    [[nodiscard]] bool ready() {
        const std::uint64_t old = word_.fetch_or(k_ready, std::memory_order_acq_rel);
        REEVE_ASSERT((old & (k_waiting | k_ready)) == 0);
        return (old & k_left) != 0;
    }

    // Any thread that has nothing to hand over.
    enum class Ended : std::uint8_t { not_by_this, yes, yes_and_left };  // the last: the caller must schedule the waiter
    [[nodiscard]] Ended end(Epoch epoch, Outcome outcome) {
        std::uint64_t old = word_.load(std::memory_order_relaxed);
        do {
            if (old >> k_epoch_shift != epoch || (old & k_waiting) == 0) return Ended::not_by_this;
        } while (!word_.compare_exchange_weak(old, (old & ~k_waiting) | k_ready | outcome_bits(outcome),
                                              std::memory_order_acq_rel, std::memory_order_relaxed));
        return (old & k_left) != 0 ? Ended::yes_and_left : Ended::yes;
    }

    // The scheduler, once the waiter's stack has been left (a plain thread: just before it sleeps). True: it is ready
    // already, the caller must schedule it.
    [[nodiscard]] bool leave() {
        const std::uint64_t old = word_.fetch_or(k_left, std::memory_order_acq_rel);
        REEVE_ASSERT((old & k_left) == 0);
        return (old & k_ready) != 0;
    }

    // Any thread. True: the caller must schedule the waiter.
    [[nodiscard]] bool cancel(Mark mark) {
        std::uint64_t old = word_.load(std::memory_order_relaxed);
        std::uint64_t next;
        bool claims;
        do {
            claims = (old & (k_waiting | k_cancellable | k_shielded)) == (k_waiting | k_cancellable);
            next = old | mark;
            if (claims) next = (next & ~k_waiting) | k_ready | outcome_bits(Outcome::cancelled);
        } while (!word_.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed));
        return claims && (old & k_left) != 0;
    }

    // Waiter only.
    void forget(Mark mark) { word_.fetch_and(~std::uint64_t{mark}, std::memory_order_acq_rel); }
    // While it lasts marks end no wait. Returns whether it was shielded before.
    bool shield() { return (word_.fetch_or(k_shielded, std::memory_order_acq_rel) & k_shielded) != 0; }
    void unshield() { word_.fetch_and(~k_shielded, std::memory_order_acq_rel); }
    // The wait that is open, or was last: may a cancellation or the fiber's own deadline end it.
    [[nodiscard]] bool is_cancellable() const { return (word_.load(std::memory_order_relaxed) & k_cancellable) != 0; }

    // A cancellable wait would be over at once.
    [[nodiscard]] bool is_marked() const {
        const std::uint64_t word = word_.load(std::memory_order_acquire);
        return (word & k_marks) != 0 && (word & k_shielded) == 0;
    }
    [[nodiscard]] bool is_marked(Mark mark) const { return (word_.load(std::memory_order_acquire) & mark) != 0; }
    // The stack was left, and nobody has ended the wait yet.
    [[nodiscard]] bool is_parked() const {
        return (word_.load(std::memory_order_acquire) & (k_left | k_waiting)) == (k_left | k_waiting);
    }
    // The wait it is parked in, 0 when it is not: two equal answers mean that it has not run in between. Any thread.
    [[nodiscard]] Epoch parked_in() const {
        const std::uint64_t word = word_.load(std::memory_order_acquire);
        return (word & (k_left | k_waiting)) == (k_left | k_waiting) ? word >> k_epoch_shift : 0;
    }
    // True when the wait is over without the stack having been left: no need to park at all.
    [[nodiscard]] bool is_ready() const { return (word_.load(std::memory_order_acquire) & k_ready) != 0; }
    [[nodiscard]] Outcome outcome() const {
        const std::uint64_t word = word_.load(std::memory_order_acquire);
        REEVE_ASSERT((word & k_ready) != 0);
        return static_cast<Outcome>((word >> k_outcome_shift) & 0xff);
    }

    // A new fiber; nobody else knows it yet.
    void reset(bool cancelled) { word_.store(cancelled ? std::uint64_t{mark_cancelled} : 0, std::memory_order_relaxed); }

private:
    static constexpr std::uint64_t k_left = 1U << 0;
    static constexpr std::uint64_t k_ready = 1U << 1;
    static constexpr std::uint64_t k_waiting = 1U << 2;
    static constexpr std::uint64_t k_cancellable = 1U << 3;
    static constexpr std::uint64_t k_marks = mark_cancelled | mark_hung_up | mark_attached;
    static constexpr std::uint64_t k_shielded = 1U << 7;
    static constexpr std::uint64_t k_kept = k_marks | k_shielded;  // from wait to wait
    static constexpr unsigned k_outcome_shift = 8;
    static constexpr unsigned k_epoch_shift = 16;
    static constexpr std::uint64_t k_epoch_one = std::uint64_t{1} << k_epoch_shift;
    static constexpr std::uint64_t k_epoch_mask = ~(k_epoch_one - 1);

    static constexpr std::uint64_t outcome_bits(Outcome outcome) {
        return static_cast<std::uint64_t>(outcome) << k_outcome_shift;
    }

    std::atomic<std::uint64_t> word_{0};
};

}  // namespace reeve::sched
