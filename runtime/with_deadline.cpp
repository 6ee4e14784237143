#include "runtime/with_deadline.hpp"

#include "runtime/sched/belongings.hpp"

namespace reeve {
namespace sched {

DeadlineGuard::DeadlineGuard(Deadline deadline, Mode mode) {
    outer_ = this_fiber::deadline();
    is_set_ = mode == Mode::replace ? deadline.ns() != outer_.ns() : deadline.ns() < outer_.ns();
    if (is_set_) belongings_of(current_parkable()).bound = deadline;
}

DeadlineGuard::~DeadlineGuard() {
    if (is_set_) belongings_of(current_parkable()).bound = outer_;
}

}  // namespace sched

namespace this_fiber {

Deadline deadline() {
    const sched::Belongings* own = sched::current_parkable().belongings.load(std::memory_order_relaxed);
    return own ? own->bound : Deadline::never();
}

}  // namespace this_fiber
}  // namespace reeve
