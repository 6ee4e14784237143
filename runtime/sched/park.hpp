// park: the wait of a fiber or plain thread, once it is open: gives the processor away until the wait is over.
//
// Inline, for every function between a switch and the code that waits costs some 5 ns: its return is predicted wrongly. Wait's
// park() is this, called; who is in more of a hurry includes it (join_core.cpp). In the runtime, holding no SpinLock.
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

[[gnu::always_inline]] inline void park_fiber(Fiber& fiber, FiberState::Epoch epoch, Deadline deadline, const char* reason,
                                              Blocker blocker) {
    if (fiber.holds_hook) [[unlikely]] {
        fiber.holds_hook = false;
        const StackHead& head = fiber.its_head();
        head.on_park(head.hook);
    }
    if (fiber.state.is_ready()) return;
    Worker& worker = *current_worker();
    Processor& processor = *worker.processor();
    fiber.reason = reason;
    fiber.since_ns = processor.now_ns;
    fiber.blocker.store(blocker, std::memory_order_relaxed);
    if (blocker.kind() != Blocker::nobody) fiber.its_head().blocked_until_ns.store(deadline.ns(), std::memory_order_relaxed);
    fiber.phase.store(Phase::parked, std::memory_order_relaxed);
    if (deadline.is_never()) {
        worker.switch_away(After::parked);
        return;
    }
    Timers& timers = processor.timers;
    timers.arm(fiber, epoch, deadline.ns());
    worker.switch_away(After::parked);
    timers.disarm(fiber);
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
