#include "runtime/sched/park.hpp"

#include "runtime/base/virtual_clock.hpp"
#include "runtime/sched/fork.hpp"

namespace reeve::sched {

void park_thread(ThreadParkable& thread, FiberState::Epoch epoch, Deadline deadline) {
    if (thread.state.leave()) return;
    die_if_forked();
    while (!thread.parker.park_until(VirtualClock::monotonic_ns_at(deadline.ns()))) {
        // Nobody claimed it in time: this thread does. If somebody did at the last moment, his ready() wakes it.
        if (thread.state.claim(epoch, Outcome::timed_out)) {
            (void)thread.state.ready();
            return;
        }
        deadline = Deadline::never();
    }
}

Parting prepare_to_park(Fiber& fiber, FiberState::Epoch epoch, Deadline deadline, const char* reason, Blocker blocker) {
    if (fiber.holds_hook) [[unlikely]] {
        fiber.holds_hook = false;
        const StackHead& head = fiber.its_head();
        head.on_park(head.hook);
    }
    if (fiber.state.is_ready()) return {false, nullptr};
    Processor& processor = *current_worker()->processor();
    fiber.reason = reason;
    fiber.since_ns = processor.now_ns;
    fiber.blocker.store(blocker, std::memory_order_relaxed);
    if (blocker.kind() != Blocker::nobody) fiber.its_head().blocked_until_ns.store(deadline.ns(), std::memory_order_relaxed);
    fiber.phase.store(Phase::parked, std::memory_order_relaxed);
    if (deadline.is_never()) return {true, nullptr};
    processor.timers.arm(fiber, epoch, deadline.ns());
    return {true, &processor.timers};
}

}  // namespace reeve::sched
