// Parker: a wake is never lost, whether it comes before or after the sleep.
#include "runtime/os/futex.hpp"

#include <cerrno>
#include <thread>

#include "runtime/base/time.hpp"
#include "tests/support/catch.hpp"

using reeve::os::Parker;

TEST_CASE("parker: a wake that comes first is kept", "[parker]") {
    Parker parker;
    parker.wake();
    parker.park();  // would hang
    CHECK_FALSE(parker.park_until(reeve::now_ns()));
}

TEST_CASE("parker: two wakes make one token", "[parker]") {
    Parker parker;
    parker.wake();
    parker.wake();
    CHECK(parker.park_until(reeve::now_ns()));
    CHECK_FALSE(parker.park_until(reeve::now_ns()));
}

TEST_CASE("parker: a deadline that passes is told from a wake", "[parker]") {
    Parker parker;
    const std::int64_t due = reeve::now_ns() + 2'000'000;
    CHECK_FALSE(parker.park_until(due));
    CHECK(reeve::now_ns() >= due);
}

TEST_CASE("parker: two threads hand a turn to and fro", "[parker]") {
    constexpr int k_turns = 20'000;
    Parker mine;
    Parker theirs;
    int turns = 0;
    std::thread other([&] {
        for (int i = 0; i < k_turns; ++i) {
            theirs.park();
            ++turns;
            mine.wake();
        }
    });
    for (int i = 0; i < k_turns; ++i) {
        theirs.wake();
        mine.park();
        ++turns;
    }
    other.join();
    CHECK(turns == 2 * k_turns);
}

TEST_CASE("parker: errno survives", "[parker]") {
    Parker parker;
    errno = EDOM;
    parker.wake();
    (void)parker.park_until(0);
    (void)parker.park_until(0);
    const int kept = errno;
    CHECK(kept == EDOM);
}
