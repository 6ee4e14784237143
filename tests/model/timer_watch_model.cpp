// TimerWatch while all processors fall asleep, in every order (unchanged header): somebody wakes up in time for each one's timers.
#include <deque>

#include "tests/model/traced.hpp"
#include "tests/support/catch.hpp"

#pragma push_macro("NDEBUG")
#undef NDEBUG
#define reeve reeve_model
#define atomic TracedAtomic

#include "runtime/sched/timer_watch.hpp"

#undef atomic
#undef reeve
#pragma pop_macro("NDEBUG")

using reeve::model::Execution;
using reeve::model::explore;

namespace {

struct Timers {
    [[nodiscard]] std::int64_t earliest_ns() const { return first_ns; }
    [[nodiscard]] std::uint32_t fired() const { return count; }
    std::int64_t first_ns = 0;
    std::uint32_t count = 0;
};

using Watch = reeve_model::sched::TimerWatch<Timers>;

constexpr std::int64_t k_now = 1'000'000'000;

struct Place {
    Timers timers;
    Watch watch{timers};
    std::int64_t until_ns = 0;
    [[nodiscard]] std::int64_t wants_ns() const { return std::max(timers.first_ns, k_now + Watch::k_together_ns); }
};

}  // namespace

// Seen failing with one who relies that says so only when it has looked at the others, with one who falls asleep that says until
// when only when it has looked who relies, and with one who relies on whoever wakes up in time for itself alone: nobody wakes up in
// time for another.
TEST_CASE("timer watch: of those that fall asleep one wakes up in time for each", "[model]") {
    const std::size_t count = GENERATE(2U, 3U);
    const auto explored = explore({.switches = count == 2 ? 6U : 4U}, [count](Execution& execution) {
        std::deque<Place> places(count);
        for (std::size_t i = 0; i < count; ++i) {
            places[i].timers = {k_now + 50'000 + 150'000 * static_cast<std::int64_t>(i), Watch::k_many};
            execution.thread([&places, i] {
                places[i].watch.note_look(k_now);
                places[i].until_ns = places[i].watch.begin_sleep(k_now, [&](auto visit) {
                    for (Place& other : places)
                        if (&other != &places[i]) visit(other.watch);
                });
            });
        }
        if (!execution.run()) return;
        for (const Place& place : places) {
            bool is_in_time = false;
            for (const Place& who : places) is_in_time = is_in_time || who.until_ns <= place.wants_ns();
            execution.expect(is_in_time, "nobody wakes up in time");
            execution.expect(place.until_ns <= place.wants_ns() + Watch::k_grace_ns, "it sleeps too long");
        }
    });
    CHECK(explored.failure == "");
    CHECK(explored.is_thorough());
}
