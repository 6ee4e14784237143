// Deadline: what never, past and future mean.
#include "runtime/base/time.hpp"

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using reeve::Deadline;

TEST_CASE("deadline: the default never passes", "[deadline]") {
    const Deadline deadline;
    CHECK(deadline.is_never());
    CHECK_FALSE(deadline.has_passed());
}

TEST_CASE("deadline: a negative duration has passed, an hour has not", "[deadline]") {
    CHECK(Deadline(-1ns).has_passed());
    CHECK_FALSE(Deadline(1h).has_passed());
}

TEST_CASE("deadline: a duration too large to add means never", "[deadline]") {
    CHECK(Deadline(std::chrono::hours::max()).is_never());
    CHECK(Deadline(std::chrono::nanoseconds::max()).is_never());
}

TEST_CASE("deadline: a steady time point is on the same clock as now_ns", "[deadline]") {
    const std::int64_t before = reeve::now_ns();
    const std::int64_t instant = Deadline(std::chrono::steady_clock::now()).ns();
    CHECK(instant >= before);
    CHECK(instant <= reeve::now_ns());
}

TEST_CASE("deadline: or_sooner takes the earlier, and never is the latest", "[deadline]") {
    const Deadline soon = Deadline::at_ns(10);
    const Deadline late = Deadline::at_ns(20);
    CHECK(late.or_sooner(soon).ns() == 10);
    CHECK(soon.or_sooner(late).ns() == 10);
    CHECK(Deadline::never().or_sooner(late).ns() == 20);
    CHECK(late.or_sooner(Deadline::never()).ns() == 20);
}
