#include "runtime/blocking.hpp"

#include "runtime/sched/current.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {

BlockingRegion::BlockingRegion() {
    Worker* worker = current_worker();
    if (!worker) return;
    worker->enter();
    if (worker->depth() == 1)
        worker->detach();
    else
        worker->leave();
}

BlockingRegion::~BlockingRegion() {
    Worker* worker = current_worker();
    if (!worker) return;
    worker->enter();
    worker->leave();
}

}  // namespace reeve::sched
