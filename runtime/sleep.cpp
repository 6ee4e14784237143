#include "runtime/sleep.hpp"

#include "runtime/sched/wait_queue.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve {

Slept sleep_until(Deadline instant) {
    sched::Entry entry;
    sched::Wait wait("sleep");
    const sched::Outcome outcome = wait.park(instant);
    // A deadline of the fiber that is earlier ends the sleep too soon.
    if (outcome == sched::Outcome::timed_out && instant.ns() <= this_fiber::deadline().ns()) return {};
    return sched::error_of(outcome, "sleep");
}

}  // namespace reeve
