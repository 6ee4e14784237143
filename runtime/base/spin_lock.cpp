#include "runtime/base/spin_lock.hpp"

#include <sched.h>

namespace reeve {

void SpinLock::lock_slowly() {
    constexpr int k_spins = 100;  // about a microsecond: longer than any section runs undisturbed
    for (;;) {
        for (int spin = 0; spin < k_spins; ++spin) {
            if (!locked_.load(std::memory_order_relaxed) && !locked_.exchange(true, std::memory_order_acquire)) return;
            __builtin_ia32_pause();
        }
        sched_yield();
    }
}

}  // namespace reeve
