#include "runtime/sleep.hpp"

#include "runtime/sched/park.hpp"
#include "runtime/sched/wait_queue.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve {

Slept sleep_until(Deadline instant) {
    sched::Entry entry;
    // No Wait: nobody looks for a sleeper in a queue.
    sched::Parkable& self = sched::current_parkable();
    const sched::FiberState::Epoch epoch = self.state.open(true);
    const sched::Outcome outcome = sched::park(self, epoch, instant, "sleep", {});
    // A deadline of the fiber that is earlier ends the sleep too soon.
    if (outcome == sched::Outcome::timed_out && instant.ns() <= this_fiber::deadline().ns()) return {};
    return sched::error_of(outcome, "sleep");
}

}  // namespace reeve
