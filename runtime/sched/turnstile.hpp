// Turnstile: when processors may take fibers that were stopped (Scheduler::preempted).
//
// Idea. A fiber that computes where it must not be stopped goes on without a processor. When as many do as there are idle
// processors, they use the CPUs of these already: a stopped fiber that got an idle processor now would be one more than there are
// CPUs for, and in the way of the next request. So then stopped fibers stay stopped, but for one in each turn: it takes the place
// of one that computes, which is asked to stop meanwhile. Long-term schedulers that bound the degree of multiprogramming do the
// same.
//
//   open   any may be taken                    -> shut   by the monitor
//   one    the next one may be taken           -> shut   by who takes it;  -> open   by the monitor
//   shut   none, until the monitor says so     -> one, open   by the monitor
//
// Callers. enter, lets_in: any thread. The rest: the monitor, which looks again while the turnstile is not open, and wakes an idle
// processor when there is somebody to let in: nothing here is waited for.
//
// I1  Between two calls of let_one() at most one enters, if the turnstile was shut before the first.
// I2  It is not open only while somebody computes without a processor, whom the monitor watches: it does not sleep then.
#pragma once

#include <atomic>
#include <cstdint>

namespace reeve::sched {

class Turnstile {
public:
    // Would enter() succeed?
    [[nodiscard]] bool lets_in() const { return state_.load(std::memory_order_seq_cst) != State::shut; }

    // True: take one.
    [[nodiscard]] bool enter() {
        State seen = state_.load(std::memory_order_seq_cst);
        return seen == State::open || (seen == State::one && state_.compare_exchange_strong(seen, State::shut));
    }

    [[nodiscard]] bool is_open() const { return state_.load(std::memory_order_relaxed) == State::open; }
    void open() {
        if (!is_open()) state_.store(State::open, std::memory_order_seq_cst);
    }
    void shut() { state_.store(State::shut, std::memory_order_seq_cst); }
    void let_one() { state_.store(State::one, std::memory_order_seq_cst); }

private:
    enum class State : std::uint8_t { open, one, shut };
    std::atomic<State> state_{State::open};
};

}  // namespace reeve::sched
