#include "runtime/base/spin_lock.hpp"

#include <ctime>
#include <sched.h>

namespace reeve {

void SpinLock::lock_slowly() {
    constexpr int k_spins = 100;  // about a microsecond: longer than any section runs undisturbed
    constexpr int k_yields = 4;
    for (int round = 0;; ++round) {
        for (int spin = 0; spin < k_spins; ++spin) {
            if (!locked_.load(std::memory_order_relaxed) && !locked_.exchange(true, std::memory_order_acquire)) return;
            __builtin_ia32_pause();
        }
        if (round < k_yields) {
            sched_yield();
            continue;
        }
        // Yielding does not help a waiter of higher priority (the monitor) whose CPU the holder needs.
        const timespec pause{0, 10'000};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
    }
}

}  // namespace reeve
