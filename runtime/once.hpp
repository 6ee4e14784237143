// Once: runs a function at most once to its end, however many call at the same time (std::call_once, Go's sync.Once).
//
// Idea. The first caller runs its function; the others park until it has returned, and go on. If it throws, the exception
// goes to that caller, and the turn to run goes to the caller that has waited longest; if nobody waits, to the next one
// that comes. Unlike with std::call_once a fiber that waits costs no thread.
//
// call(fn): may park, not cancellable (what comes after it relies on it). call(fn, deadline): may park while another
// caller runs; timed_out, cancelled, and then nothing is known; the deadline does not bound the own fn. Once it is done, a
// call is one load. fn runs in user code: it may park, and be preempted; if it calls the same Once it waits for itself.
// Fibers and plain threads. Not signal-safe. Destroy it when all calls have returned.
//
// I1  At most one caller has the turn. It ends it, by success or failure, exactly once.
// I2  Whoever returns without an error comes after the end of the one successful run, and sees what it wrote.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "runtime/base/point.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class Once {
public:
    Once() = default;
    Once(const Once&) = delete;
    Once& operator=(const Once&) = delete;

    template <class F>
    void call(F&& body) {
        (void)call_within(std::forward<F>(body), {}, sched::Cancellable::no);
    }
    template <class F>
    Result<void> call(F&& body, Deadline deadline) {
        return call_within(std::forward<F>(body), deadline, sched::Cancellable::yes);
    }
    [[nodiscard]] bool is_done() const { return state_.load(std::memory_order_acquire) == State::done; }

private:
    enum class State : std::uint8_t { idle, running, done };
    enum class Turn : std::uint8_t { mine, over };

    template <class F>
    Result<void> call_within(F&& body, Deadline deadline, sched::Cancellable cancellable) {
        schedule_point(Place::outside);
        if (is_done()) [[likely]]
            return {};
        const Result<Turn> turn = begin(deadline, cancellable);
        if (!turn) return turn.error();
        if (*turn == Turn::over) return {};
        try {
            std::forward<F>(body)();
        } catch (...) {
            end(false);
            throw;
        }
        end(true);
        return {};
    }
    Result<Turn> begin(Deadline deadline, sched::Cancellable cancellable);
    void end(bool succeeded);

    std::atomic<State> state_{State::idle};  // written under lock_
    SpinLock lock_;
    sched::WaitQueue waiters_;  // a waiter's slot points to its Turn
};

}  // namespace reeve
