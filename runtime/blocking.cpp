#include "runtime/blocking.hpp"

#include "runtime/sched/current.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {

BlockingRegion::BlockingRegion() {
    Worker* worker = current_worker();
    if (!worker) return;
    worker->enter();
    if (worker->depth() == 1) {
        worker->scheduler.blocking_gate.enter(*this, *worker->current_fiber());
        worker = current_worker();  // it may be another one now
        worker->detach();
    } else {
        worker->leave();
    }
}

BlockingRegion::~BlockingRegion() {
    Worker* worker = current_worker();
    if (!worker) return;
    worker->enter();
    worker->scheduler.blocking_gate.leave(*this);
    worker->leave();
}

}  // namespace reeve::sched
