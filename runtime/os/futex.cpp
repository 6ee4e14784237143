#include "runtime/os/futex.hpp"

#include <cerrno>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/time.hpp"

namespace reeve::os {

bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t deadline_ns) {
    const int saved = errno;
    timespec until{};
    timespec* limit = nullptr;
    if (deadline_ns != Deadline::k_never_ns) {
        until = {deadline_ns / 1'000'000'000, deadline_ns % 1'000'000'000};
        limit = &until;
    }
    // FUTEX_WAIT_BITSET takes an absolute monotonic time; FUTEX_WAIT a relative one, which drifts over retries.
    const long result = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, limit, nullptr,
                                FUTEX_BITSET_MATCH_ANY);
    const bool in_time = result == 0 || errno != ETIMEDOUT;
    errno = saved;
    return in_time;
}

void futex_wake(const std::atomic<std::uint32_t>& word, int count) {
    const int saved = errno;
    syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
    errno = saved;
}

void Parker::park() { park_until(Deadline::k_never_ns); }

bool Parker::park_until(std::int64_t deadline_ns) {
    // Acquire pairs with the release in wake(): what the waker wrote before is seen here.
    while (token_.exchange(0, std::memory_order_acquire) == 0)
        if (!futex_wait(token_, 0, deadline_ns)) return token_.exchange(0, std::memory_order_acquire) != 0;
    return true;
}

void Parker::wake() {
    if (token_.exchange(1, std::memory_order_release) == 0) futex_wake(token_, 1);
}

}  // namespace reeve::os
