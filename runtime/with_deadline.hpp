// with_deadline: bounds everything a piece of code waits for, without handing a Deadline down.
//
// Idea. asyncio.timeout, Go's context.WithDeadline, as a property of the fiber: while with_deadline(d, fn) runs fn, every
// wait of the calling fiber, requests in the kernel included, ends with Errc::timed_out at the latest when d has passed,
// also one that begins later. Nested ones take the earlier. Fibers that are started meanwhile in a Scope, by gather or by race
// have the same deadline for all their life; those of go and spawn, which may outlive it, do not.
//
// What still waits longer: Mutex::lock() without a deadline, and the joining of children, which have the deadline themselves.
// Join::join() passes a passed deadline on to its fiber as a cancellation and waits for its end. sleep_for() that would end
// after the deadline says timed_out. Code that computes asks this_fiber::check(). Shield lifts the deadline for a cleanup.
//
// Returns what fn returns; exceptions pass. Never parks by itself. Fibers and plain threads. Not signal-safe.
#pragma once

#include <utility>

#include "runtime/base/time.hpp"

namespace reeve {

namespace sched {

// The deadline of the calling fiber while this lives: the earlier of `deadline` and the one it has, or, `replace`, just it.
class [[nodiscard]] DeadlineGuard {
public:
    enum class Mode : bool { narrow, replace };
    explicit DeadlineGuard(Deadline deadline, Mode mode = Mode::narrow);
    ~DeadlineGuard();
    DeadlineGuard(const DeadlineGuard&) = delete;
    DeadlineGuard& operator=(const DeadlineGuard&) = delete;

private:
    Deadline outer_;
    bool is_set_ = false;
};

}  // namespace sched

template <class F>
decltype(auto) with_deadline(Deadline deadline, F&& body) {
    const sched::DeadlineGuard bounded(deadline);
    return std::forward<F>(body)();
}

namespace this_fiber {
[[nodiscard]] Deadline deadline();  // that every wait of the calling fiber has, as far as with_deadline and tokens say
}  // namespace this_fiber

}  // namespace reeve
