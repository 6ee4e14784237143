#include "runtime/sleep.hpp"

#include "runtime/sched/wait_queue.hpp"

namespace reeve {

Slept sleep_until(Deadline instant) {
    sched::Entry entry;
    sched::Waiter waiter("sleep");
    const sched::Outcome outcome = waiter.park(instant);
    if (outcome == sched::Outcome::timed_out) return {};
    return sched::error_of(outcome, "sleep");
}

}  // namespace reeve
