// Hogs that rely on what belongs to the thread. Between two looks they compute, so that they are stopped there; they must
// go on with the same thread, on which nobody has run meanwhile.
#include <pthread.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"

namespace reeve::starve::hogs {
namespace {

constexpr std::uint64_t k_rounds_between = k_rounds_per_ms / 50;

thread_local std::uint64_t t_value = 0;

// Looked up anew at each call: an address the compiler keeps would hide a change of thread.
[[gnu::noinline]] std::uint64_t* value_of_this_thread() {
    asm volatile("" : : : "memory");
    return &t_value;
}

}  // namespace

std::uint64_t turn_tls(std::uint64_t seed) {
    std::uint64_t* const first = value_of_this_thread();
    const pid_t thread = gettid();
    std::uint64_t value = *first = mix(seed);
    for (unsigned i = 0; i < 500; ++i) {
        const std::uint64_t next = compute(value, k_rounds_between);
        std::uint64_t* const now = value_of_this_thread();
        if (now != first || gettid() != thread) return broken("tls: another thread than before");
        if (*now != value) return broken("tls: somebody else ran on this thread");
        value = *now = next;
    }
    return value;
}

std::uint64_t turn_errno(std::uint64_t seed) {
    for (unsigned i = 0; i < 250; ++i) {
        (void)close(-1);
        seed = compute(seed, k_rounds_between);
        if (errno != EBADF) return broken("errno: EBADF was lost");
        (void)std::strtoull("123456789012345678901234567890", nullptr, 10);
        seed = compute(seed, k_rounds_between);
        if (errno != ERANGE) return broken("errno: ERANGE was lost");
    }
    return seed;
}

}  // namespace reeve::starve::hogs
