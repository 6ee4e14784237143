#include "runtime/base/time.hpp"

#include <algorithm>
#include <ctime>

#include "runtime/base/virtual_clock.hpp"

namespace reeve {

std::atomic<std::int64_t> VirtualClock::s_now_ns{0};

std::int64_t VirtualClock::monotonic_ns_at(std::int64_t instant_ns) {
    const std::int64_t now = now_ns();
    if (now == 0 || instant_ns == Deadline::k_never_ns) return instant_ns;
    return monotonic_ns() + std::max<std::int64_t>(instant_ns - now, 0);
}

std::int64_t monotonic_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::int64_t now_ns() {
    if (const std::int64_t now = VirtualClock::now_ns(); now != 0) [[unlikely]]
        return now;
    return monotonic_ns();
}

}  // namespace reeve
