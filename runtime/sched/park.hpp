// park: the wait of a fiber or plain thread, once it is open: gives the processor away until the wait is over.
//
// Inline, for every function between a switch and the code that waits costs some 5 ns: its return is predicted wrongly. Wait's
// park() is this, called; who is in more of a hurry includes it (join_core.cpp). What comes before the switch is a function
// by itself: what it keeps in registers does not lie on the stack that is left. In the runtime, holding no SpinLock.
#pragma once

#include "runtime/base/point.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/belongings.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {

void park_thread(ThreadParkable& thread, FiberState::Epoch epoch, Deadline deadline);

// What is done before the fiber is left.
struct Parting {
    bool leaves;     // false: its wait is over
    Timers* timers;  // where its deadline was armed, if it was
};
Parting prepare_to_park(Fiber& fiber, FiberState::Epoch epoch, Deadline deadline, const char* reason, Blocker blocker);

[[gnu::always_inline]] inline void park_fiber(Fiber& fiber, FiberState::Epoch epoch, Deadline deadline, const char* reason,
                                              Blocker blocker) {
    const Parting parting = prepare_to_park(fiber, epoch, deadline, reason, blocker);
    if (!parting.leaves) return;
    current_worker()->switch_away(After::parked);
    if (parting.timers) parting.timers->disarm(fiber);
}

// `who`: the caller. `epoch`: of the wait that it has opened.
[[gnu::always_inline]] inline Outcome park(Parkable& who, FiberState::Epoch epoch, Deadline deadline, const char* reason,
                                           Blocker blocker) {
    schedule_point(Place::inside);
    if (const Belongings* own = who.belongings.load(std::memory_order_relaxed)) [[unlikely]] {
        if (who.state.is_cancellable()) deadline = deadline.or_sooner(own->bound);
    }
    if (who.is_fiber)
        park_fiber(static_cast<Fiber&>(who), epoch, deadline, reason, blocker);
    else if (!who.state.is_ready())
        park_thread(static_cast<ThreadParkable&>(who), epoch, deadline);
    return who.state.outcome();
}

}  // namespace reeve::sched
