#include "runtime/pin_to_thread.hpp"

#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve {
namespace {

// Of the calling fiber, which nobody else looks at: no entry into the runtime is needed.
sched::Fiber* current_fiber() {
    sched::Worker* worker = sched::current_worker();
    return worker ? worker->current_fiber() : nullptr;
}

}  // namespace

PinToThread::PinToThread() {
    if (sched::Fiber* fiber = current_fiber()) ++fiber->pins;
}

PinToThread::~PinToThread() {
    if (sched::Fiber* fiber = current_fiber()) --fiber->pins;
}

}  // namespace reeve
