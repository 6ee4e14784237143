#include "runtime/blocking.hpp"

#include "runtime/go.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve::sched {

BlockingRegion::BlockingRegion() { begin(Cancellable::no, Deadline::never()); }

BlockingRegion::BlockingRegion(Deadline deadline) {
    constexpr const char* k_operation = "blocking";
    if (this_fiber::is_cancelled())
        turn_ = Error(Errc::cancelled, k_operation);
    else if (deadline.or_sooner(this_fiber::deadline()).has_passed())
        turn_ = Error(Errc::timed_out, k_operation);
    else
        begin(Cancellable::yes, deadline);
}

void BlockingRegion::begin(Cancellable cancellable, Deadline deadline) {
    Worker* worker = current_worker();
    if (!worker) return;
    worker->enter();
    if (worker->depth() == 1) {
        turn_ = worker->scheduler.blocking_gate.enter(*this, *worker->current_fiber(), cancellable, deadline);
        worker = current_worker();  // it may be another one now
        if (turn_) return worker->detach();
    }
    worker->leave();
}

BlockingRegion::~BlockingRegion() {
    Worker* worker = current_worker();
    if (!worker) return;
    worker->enter();
    worker->scheduler.blocking_gate.leave(*this);
    worker->leave();
}

}  // namespace reeve::sched
