#include "runtime/base/spin_lock.hpp"

#include <ctime>
#include <sched.h>

namespace reeve {

void Backoff::pause() {
    constexpr int k_spins = 100;  // about a microsecond: longer than any section runs undisturbed
    constexpr int k_yields = 4;
    schedule_point(Place::stuck);
    if (++spins_ % k_spins != 0) {
        __builtin_ia32_pause();
    } else if (spins_ <= k_yields * k_spins) {
        sched_yield();
    } else {
        // Yielding does not help a waiter of higher priority (the monitor) whose CPU the holder needs.
        const timespec pause{0, 10'000};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
        spins_ -= k_spins;
    }
}

void SpinLock::lock_slowly() {
    for (Backoff backoff; locked_.load(std::memory_order_relaxed) || locked_.exchange(true, std::memory_order_acquire);)
        backoff.pause();
}

}  // namespace reeve
