// What the tests of the runtime's own primitives under explored schedules share.
//
// Each case runs its body in some thousand schedules, a different order of fibers each (testing.hpp); `tools/dev schedules` runs
// 100,000 or more of each. A failure prints the seed: REEVE_SEED=N test-schedules "NAME" is that schedule alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>

#include "runtime/runtime.hpp"
#include "runtime/testing.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reeve_test.hpp"

namespace reeve::test {

// `slips`: deadlines may pass while what they bound goes on.
enum class Time : bool { exact, slips };

// Returns whether there were so many, and none failed, that whatever can happen will have.
inline bool in_all_orders(Time time, const std::function<void()>& body) {
    const testing::Explored explored =
        testing::explore({.schedules = is_sanitized() ? 500U : 2'000U, .lets_time_slip = time == Time::slips}, body);
    if (std::getenv("REEVE_SCHEDULES") != nullptr)
        std::printf("%8llu schedules, %10llu steps, %10llu interrupts: %s\n", static_cast<unsigned long long>(explored.schedules),
                    static_cast<unsigned long long>(explored.steps), static_cast<unsigned long long>(explored.interrupts),
                    Catch::getResultCapture().getCurrentTestName().c_str());
    std::fflush(stdout);
    CHECK(explored.failure == "");
    return explored.failure.empty() && explored.schedules >= 500;
}

// How often each way to end was taken, in all schedules: what always ends in the same one was no race.
inline void check_all_taken(std::initializer_list<int> ways) {
    std::size_t way = 0;
    for (const int times : ways) {
        INFO("way " << way++);
        CHECK(times > 0);
    }
}

// Values that were passed on: each arrives once if its sender was told so, and never otherwise.
template <std::size_t N>
class Ledger {
public:
    void sent(std::size_t value) { ++sent_[value]; }
    void received(std::size_t value) {
        ++received_[value];
        ++count_;
    }
    [[nodiscard]] bool agrees() const {
        for (std::size_t i = 0; i < N; ++i)
            if (sent_[i] != received_[i] || sent_[i] > 1) return false;
        return true;
    }
    [[nodiscard]] std::size_t count() const { return count_; }

private:
    std::array<int, N> sent_{};
    std::array<int, N> received_{};
    std::size_t count_ = 0;
};

// A few steps in which others may get on, or none, or a while.
inline void dawdle() {
    switch (testing::draw(4)) {
        case 0: break;
        case 1: testing::point(); break;
        case 2: this_fiber::yield(); break;
        default: (void)sleep_for(std::chrono::microseconds(1 + testing::draw(3))); break;
    }
}

// After a wait that was given up: if its queue still has it, who goes through that queue ends or loses this one, which has its place
// in memory.
inline void wait_elsewhere(Event& event) {
    const Shield shield;
    testing::expect(event.wait().has_value() && event.is_set(), "a wait that was given up is in no queue");
}

}  // namespace reeve::test
