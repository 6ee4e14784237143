#include "runtime/sched/idle.hpp"

#include <algorithm>

namespace reeve::sched {

void Idle::add(Processor& processor) {
    SpinGuard guard(lock_);
    idle_.push_back(&processor);
    count_.fetch_add(1, std::memory_order_seq_cst);  // O1 (c)
}

bool Idle::remove(Processor& processor) {
    SpinGuard guard(lock_);
    const auto found = std::find(idle_.begin(), idle_.end(), &processor);
    if (found == idle_.end()) return false;
    idle_.erase(found);
    count_.fetch_sub(1, std::memory_order_seq_cst);
    return true;
}

Processor* Idle::pop() {
    SpinGuard guard(lock_);
    if (idle_.empty()) return nullptr;
    Processor* processor = idle_.back();  // the youngest: its caches are warmest
    idle_.pop_back();
    count_.fetch_sub(1, std::memory_order_seq_cst);
    return processor;
}

}  // namespace reeve::sched
