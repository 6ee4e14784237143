// futex: the kernel's wait-and-wake on a 32-bit word, as raw system calls.
//
// Signal-safe, any thread; wait blocks the OS thread. A return of wait() means nothing but "look again".
#pragma once

#include <atomic>
#include <cstdint>

namespace reeve::os {

// Sleeps while `word` holds `expected`, until woken or until `deadline_ns` (monotonic; k_never: no limit).
// False when the deadline has passed. Leaves errno untouched.
bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t deadline_ns);
void futex_wake(const std::atomic<std::uint32_t>& word, int count);

// Parker: one OS thread sleeps, any other wakes it; a wake that comes first is not lost.
//
// The word is 0 (nothing), 1 (token). wake() stores the token, park() consumes it. Only the owner parks. Signal-safe.
class Parker {
public:
    void park();
    bool park_until(std::int64_t deadline_ns);  // false: the deadline passed without a token
    void wake();

private:
    std::atomic<std::uint32_t> token_{0};
};

}  // namespace reeve::os
