// Condition: waiting for a state that a Mutex guards; std::condition_variable's names.
//
// wait(lock, deadline): may park; unlocks while it waits and has locked again when it returns, whatever the outcome:
// ready, timed_out or cancelled. The deadline bounds the wait for the notify, not the locking after it. No spurious
// wake-ups, but the state may have changed again: loop, or give a predicate; then an error means that the predicate does
// not hold. A notify_one that races with a deadline or a cancellation goes to the next waiter: it is not lost. The oldest
// waiter is notified first. notify: never parks. Fibers and plain threads. Not signal-safe.
#pragma once

#include <concepts>
#include <mutex>

#include "runtime/mutex.hpp"

namespace reeve {

class Condition {
public:
    Condition() = default;
    Condition(const Condition&) = delete;
    Condition& operator=(const Condition&) = delete;

    Result<void> wait(std::unique_lock<Mutex>& held, Deadline deadline = {});

    template <std::predicate Predicate>
    Result<void> wait(std::unique_lock<Mutex>& held, Predicate predicate, Deadline deadline = {}) {
        while (!predicate())
            if (auto result = wait(held, deadline); !result) return predicate() ? Result<void>() : result;
        return {};
    }

    void notify_one();
    void notify_all();

private:
    SpinLock lock_;
    sched::WaitQueue waiters_;
};

}  // namespace reeve
