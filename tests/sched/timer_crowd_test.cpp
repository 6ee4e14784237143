// What a worker sleeps for after few timers and after many. The cases were seen failing, in this order: with one fewer taken for
// many; with k_many taken for few, and with note_slept() empty; with only the last batch counted.
#include "runtime/sched/timer_crowd.hpp"

#include "tests/support/catch.hpp"

namespace {

using reeve::sched::TimerCrowd;

constexpr std::int64_t k_now = 1'000'000;
constexpr std::int64_t k_soon = k_now + 1000;
constexpr std::int64_t k_late = k_now + 10 * TimerCrowd::k_together_ns;

TEST_CASE("timer crowd: few timers are waited for exactly", "[timer_crowd]") {
    TimerCrowd crowd;
    CHECK(crowd.sleep_until(k_soon, k_now) == k_soon);
    crowd.note_fired(TimerCrowd::k_many - 1);
    CHECK(crowd.sleep_until(k_soon, k_now) == k_soon);
}

TEST_CASE("timer crowd: after many the next are waited for together, after a sleep no more", "[timer_crowd]") {
    TimerCrowd crowd;
    crowd.note_fired(TimerCrowd::k_many);
    CHECK(crowd.sleep_until(k_soon, k_now) == k_now + TimerCrowd::k_together_ns);
    CHECK(crowd.sleep_until(k_late, k_now) == k_late);
    crowd.note_slept();
    CHECK(crowd.sleep_until(k_soon, k_now) == k_soon);
}

TEST_CASE("timer crowd: those that came one by one behind the crowd are part of it", "[timer_crowd]") {
    TimerCrowd crowd;
    crowd.note_fired(TimerCrowd::k_many);
    crowd.note_fired(1);
    CHECK(crowd.sleep_until(k_soon, k_now) == k_now + TimerCrowd::k_together_ns);
}

}  // namespace
