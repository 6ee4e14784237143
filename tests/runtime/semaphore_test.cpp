// Semaphore: counting, order, large requests, giving up, and exact counts when all of it happens at once.
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"
#include "tests/support/waiting.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::Semaphore;
using reeve::test::wait_until_parked;

namespace {

void many_sizes() {
    constexpr std::size_t k_units = 5;
    Semaphore semaphore(k_units);
    std::atomic<std::size_t> in_use{0};
    std::vector<reeve::Join<void>> joins;
    for (unsigned f = 1; f <= 12; ++f)
        joins.push_back(reeve::spawn([&, f] {
            std::minstd_rand random(f);
            for (int round = 0; round < 200; ++round) {
                const std::size_t n = random() % k_units + 1;
                const reeve::Deadline deadline =
                    f % 3 == 0 ? reeve::Deadline::never() : reeve::Deadline(std::chrono::microseconds(random() % 200));
                if (!semaphore.acquire(n, deadline)) continue;
                REEVE_EXPECT(in_use.fetch_add(n) + n <= k_units);
                if (random() % 3 == 0) reeve::this_fiber::yield();
                in_use -= n;
                semaphore.release(n);
            }
        }));
    for (std::size_t f = 0; f < joins.size(); f += 2) {
        reeve::this_fiber::yield();
        joins[f].cancel();
    }
    for (auto& join : joins) join.join();
    REEVE_EXPECT(semaphore.available() == k_units);
    REEVE_EXPECT(semaphore.try_acquire(k_units));
}

}  // namespace

// Seen failing with an acquire that does not subtract.
REEVE_TEST("semaphore: counts, and a wait that fails takes nothing", "[semaphore]") {
    Semaphore semaphore(3);
    REEVE_EXPECT(semaphore.acquire());
    REEVE_EXPECT(semaphore.try_acquire(2));
    REEVE_EXPECT(!semaphore.try_acquire());
    REEVE_EXPECT(semaphore.acquire(1ms).error() == Errc::timed_out);
    REEVE_EXPECT(semaphore.acquire(2, 1ms).error() == Errc::timed_out);
    auto cancelled = reeve::spawn([&] { return semaphore.acquire().error() == Errc::cancelled; });
    cancelled.cancel();
    REEVE_EXPECT(cancelled.join());
    semaphore.release(3);
    REEVE_EXPECT(semaphore.available() == 3);
}

// Seen failing with take() that does not look whether somebody stands in line: the small one overtook.
REEVE_TEST("semaphore: a large request at the front is not overtaken", "[semaphore]") {
    Semaphore semaphore(2);
    auto large = reeve::spawn([&] { return semaphore.acquire(3).has_value(); });
    wait_until_parked("semaphore", 1);
    REEVE_EXPECT(!semaphore.try_acquire());
    auto small = reeve::spawn([&] { return semaphore.acquire().has_value(); });
    wait_until_parked("semaphore", 2);
    REEVE_EXPECT(semaphore.available() == 2);
    semaphore.release();
    REEVE_EXPECT(large.join());
    REEVE_EXPECT(!small.is_done());
    REEVE_EXPECT(semaphore.available() == 0);
    semaphore.release();
    REEVE_EXPECT(small.join());
}

// Seen failing without the grant() of one who gives up: the small ones wait for units that are there.
REEVE_TEST("semaphore: a large request that gives up lets the small ones behind it through", "[semaphore]") {
    for (const bool by_deadline : {false, true}) {
        Semaphore semaphore(2);
        auto large = reeve::spawn([&] { return semaphore.acquire(3, by_deadline ? reeve::Deadline(20ms) : reeve::Deadline(1h)); });
        if (!by_deadline) wait_until_parked("semaphore", 1);
        std::vector<reeve::Join<bool>> small;
        for (int i = 0; i < 2; ++i) small.push_back(reeve::spawn([&] { return semaphore.acquire().has_value(); }));
        if (!by_deadline) {
            wait_until_parked("semaphore", 3);
            large.cancel();
        }
        REEVE_EXPECT(large.join().error() == (by_deadline ? Errc::timed_out : Errc::cancelled));
        for (auto& one : small) REEVE_EXPECT(one.join());
        REEVE_EXPECT(semaphore.available() == 0);
    }
}

// Seen failing with grant() serving the youngest.
REEVE_TEST("semaphore: units go to those who came first", "[semaphore]") {
    Semaphore semaphore(0);
    std::vector<int> order;
    std::vector<reeve::Join<void>> joins;
    for (int i = 0; i < 5; ++i) {
        joins.push_back(reeve::spawn([&, i] {
            if (semaphore.acquire()) order.push_back(i);
        }));
        wait_until_parked("semaphore", static_cast<std::size_t>(i) + 1);
    }
    for (auto& join : joins) {
        semaphore.release();
        join.join();
    }
    REEVE_EXPECT(order == std::vector<int>{0, 1, 2, 3, 4});
}

// Seen failing with units subtracted before the waiter is claimed: those of one who had given up are lost.
TEST_CASE("semaphore: many sizes, with deadlines and cancellation", "[semaphore][stress]") {
    reeve::test::run_everywhere(&many_sizes, [](reeve::Config& config) { config.quantum = 100us; });
}

// Seen failing with a grant() that wakes nobody: no end.
REEVE_TEST("semaphore: a signal between a plain thread and a fiber", "[semaphore]") {
    Semaphore there(0);
    Semaphore back(0);
    std::thread thread([&] {
        for (int i = 0; i < 200; ++i) {
            if (!there.acquire()) return;
            back.release();
        }
    });
    int answers = 0;
    for (int i = 0; i < 200; ++i) {
        there.release();
        if (back.acquire()) ++answers;
    }
    reeve::blocking([&] { thread.join(); });
    REEVE_EXPECT(answers == 200);
    REEVE_EXPECT(!there.try_acquire());
    REEVE_EXPECT(!back.try_acquire());
}
