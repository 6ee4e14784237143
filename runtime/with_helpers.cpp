#include "runtime/with_helpers.hpp"

#include "runtime/sched/current.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {

bool may_start_helper(unsigned so_far) {
    const Entry entry;
    const Worker* worker = current_worker();
    return worker && so_far + 1 < worker->scheduler.processors.size() && worker->scheduler.idle.count() != 0;
}

void start_helper(Fiber& fiber) { Scheduler::active()->start_elsewhere(fiber); }

}  // namespace reeve::sched
