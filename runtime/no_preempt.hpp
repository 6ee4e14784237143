// NoPreempt: no preemption inside its scope.
//
// The fiber counts as being in the runtime: its processor is not taken and it is not stopped. Nests. A request that came
// meanwhile is honoured when the outermost guard ends. Calls that park still park. For spin locks and the like that others
// wait for; keep it short. No effect in plain threads.
#pragma once

#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class [[nodiscard]] NoPreempt {
public:
    NoPreempt() = default;
    NoPreempt(const NoPreempt&) = delete;
    NoPreempt& operator=(const NoPreempt&) = delete;

private:
    sched::Entry entry_;
};

}  // namespace reeve
