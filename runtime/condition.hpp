// Condition: waiting for a state that a Mutex guards; std::condition_variable's names.
//
// wait(lock, deadline): may park; unlocks while it waits and has locked again when it returns, whatever the outcome:
// ready, timed_out or cancelled. No spurious wake-ups, but the state may have changed again: loop. notify: never parks.
// A plain thread may wait and notify too. Not signal-safe.
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
            if (auto result = wait(held, deadline); !result) return result;
        return {};
    }

    void notify_one();
    void notify_all();

private:
    SpinLock lock_;
    sched::WaitQueue waiters_;
};

}  // namespace reeve
