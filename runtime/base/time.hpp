// Deadline and the monotonic clock.
//
// A deadline is an instant, so it can be handed down through any number of calls; a timeout is a duration and starts
// anew at each call. Every call that may wait takes a Deadline as its last argument. Monotonic clock only, or a test's virtual
// one (testing.hpp), which every deadline and every wait then goes by.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace reeve {

using Duration = std::chrono::nanoseconds;

// Nanoseconds of CLOCK_MONOTONIC, or of the virtual clock. Any thread, signal-safe, about 20 ns.
[[nodiscard]] std::int64_t now_ns();
// Nanoseconds of CLOCK_MONOTONIC, always: for how long something takes in the real world.
[[nodiscard]] std::int64_t monotonic_ns();

class Deadline {
public:
    constexpr Deadline() = default;  // never

    // From now on. Negative durations have passed already; durations too large to add mean never.
    template <class Rep, class Period>
    Deadline(std::chrono::duration<Rep, Period> from_now) : Deadline(in(from_now)) {}
    template <class D>
    Deadline(std::chrono::time_point<std::chrono::steady_clock, D> instant) : Deadline(at(instant)) {}

    template <class Rep, class Period>
    [[nodiscard]] static Deadline in(std::chrono::duration<Rep, Period> from_now) {
        if (std::chrono::duration<double>(from_now).count() > 3e8) return {};  // over nine years: never
        return at_ns(now_ns() + std::chrono::duration_cast<Duration>(from_now).count());
    }
    template <class D>
    [[nodiscard]] static Deadline at(std::chrono::time_point<std::chrono::steady_clock, D> instant) {
        // libstdc++'s steady_clock is CLOCK_MONOTONIC, the clock of now_ns().
        return at_ns(std::chrono::duration_cast<Duration>(instant.time_since_epoch()).count());
    }
    [[nodiscard]] static constexpr Deadline at_ns(std::int64_t instant_ns) {
        Deadline deadline;
        deadline.ns_ = instant_ns;
        return deadline;
    }
    [[nodiscard]] static constexpr Deadline never() { return {}; }

    [[nodiscard]] constexpr bool is_never() const { return ns_ == k_never_ns; }
    [[nodiscard]] bool has_passed() const { return !is_never() && now_ns() >= ns_; }
    [[nodiscard]] constexpr std::int64_t ns() const { return ns_; }
    // The earlier of the two.
    [[nodiscard]] constexpr Deadline or_sooner(Deadline other) const { return other.ns_ < ns_ ? other : *this; }

    static constexpr std::int64_t k_never_ns = std::numeric_limits<std::int64_t>::max();

private:
    std::int64_t ns_ = k_never_ns;
};

}  // namespace reeve
