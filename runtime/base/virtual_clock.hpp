// VirtualClock: the clock that now_ns() reads in a test (testing.hpp): it stands still until it is set.
//
// One per process, as there is one runtime; off by default. It begins at a time that is far from any of CLOCK_MONOTONIC, so that
// a time point of the other clock has passed, whatever it means. set, turn_off: the runtime. The rest: any thread, signal-safe.
#pragma once

#include <atomic>
#include <cstdint>

namespace reeve {

class VirtualClock {
public:
    static constexpr std::int64_t k_start_ns = 1'000'000'000'000'000'000;  // nearly 32 years

    [[nodiscard]] static bool is_on() { return s_now_ns.load(std::memory_order_relaxed) != 0; }
    [[nodiscard]] static std::int64_t now_ns() { return s_now_ns.load(std::memory_order_relaxed); }  // 0: it is off
    static void set(std::int64_t now_ns) { s_now_ns.store(now_ns, std::memory_order_relaxed); }
    static void turn_off() { set(0); }

    // When, on CLOCK_MONOTONIC, somebody gives up who waits for an instant of now_ns() and for whom the clock does not jump:
    // a plain thread, or whoever waits for the kernel.
    [[nodiscard]] static std::int64_t monotonic_ns_at(std::int64_t instant_ns);

private:
    static std::atomic<std::int64_t> s_now_ns;
};

}  // namespace reeve
