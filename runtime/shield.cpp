#include "runtime/shield.hpp"

#include "runtime/sched/fiber.hpp"

namespace reeve {

Shield::Shield(Deadline limit)
    : limit_(limit, sched::DeadlineGuard::Mode::replace), was_shielded_(sched::current_parkable().state.shield()) {}

Shield::~Shield() {
    if (!was_shielded_) sched::current_parkable().state.unshield();
}

}  // namespace reeve
