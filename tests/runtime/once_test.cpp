// Once: one run, failures that pass the turn on, waits that end early.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"
#include "tests/support/waiting.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::Once;
using reeve::test::wait_until_parked;

namespace {

// The first runs throw; each exception goes to one caller, and all others find the work done.
void failures_pass_the_turn_on() {
    constexpr int k_callers = 12;
    constexpr int k_failures = 4;
    for (int round = 0; round < 60; ++round) {
        Once once;
        int runs = 0;
        std::atomic<int> thrown{0};
        std::atomic<int> returned{0};
        std::atomic<int> left{0};
        std::vector<reeve::Join<void>> joins;
        for (int i = 0; i < k_callers; ++i)
            joins.push_back(reeve::spawn([&, i] {
                const auto body = [&] {
                    const int run = ++runs;
                    if (run % 2 == 0) reeve::this_fiber::yield();
                    if (run <= k_failures) throw std::runtime_error("not yet");
                };
                try {
                    if (i % 4 != 0) {
                        once.call(body);
                        REEVE_EXPECT(runs == k_failures + 1);
                        ++returned;
                    } else if (once.call(body, std::chrono::microseconds(i * 20))) {
                        REEVE_EXPECT(runs == k_failures + 1);
                        ++returned;
                    } else {
                        ++left;
                    }
                } catch (const std::runtime_error&) {
                    ++thrown;
                }
            }));
        joins[static_cast<std::size_t>(round) % k_callers].cancel();
        for (auto& join : joins) join.join();
        REEVE_EXPECT(runs == k_failures + 1);
        REEVE_EXPECT(thrown.load() == k_failures);
        REEVE_EXPECT(returned.load() + left.load() == k_callers - k_failures);
        REEVE_EXPECT(once.is_done());
    }
}

}  // namespace

// Seen failing with begin() that gives the turn to whoever comes while another has it.
REEVE_TEST("once: of many callers one runs, and the others come after its end", "[once]") {
    for (int round = 0; round < 30; ++round) {
        Once once;
        int value = 0;
        std::atomic<int> runs{0};
        const auto use = [&] {
            once.call([&] {
                ++runs;
                (void)reeve::sleep_for(10us);
                value = 7;
            });
            REEVE_EXPECT(value == 7);
        };
        std::thread thread(use);
        std::vector<reeve::Join<void>> joins;
        for (int i = 0; i < 10; ++i) joins.push_back(reeve::spawn(use));
        for (auto& join : joins) join.join();
        reeve::blocking([&] { thread.join(); });
        REEVE_EXPECT(runs.load() == 1);
        REEVE_EXPECT(once.is_done());
    }
}

// Seen failing with end() that leaves the state `running` after a failure, and with one that wakes all: two runs at once.
TEST_CASE("once: an exception goes to its caller, and the next one tries", "[once][stress]") {
    reeve::test::run_everywhere(&failures_pass_the_turn_on, [](reeve::Config& config) { config.quantum = 100us; });
}

// Seen failing with call() that can be cancelled: it returned before the work was done.
REEVE_TEST("once: a wait with a deadline ends early, one without does not", "[once]") {
    Once once;
    reeve::Event go_on;
    auto runner = reeve::spawn([&] { once.call([&] { (void)go_on.wait(); }); });
    wait_until_parked("event", 1);
    REEVE_EXPECT(once.call([] {}, 1ms).error() == Errc::timed_out);
    auto with_deadline = reeve::spawn([&] { return once.call([] {}, 1h).error() == Errc::cancelled; });
    auto without = reeve::spawn([&] {
        once.call([] {});
        return once.is_done();
    });
    wait_until_parked("once", 2);
    with_deadline.cancel();
    without.cancel();
    REEVE_EXPECT(with_deadline.join());
    REEVE_EXPECT(!once.is_done());
    go_on.set();
    REEVE_EXPECT(without.join());
    runner.join();
    REEVE_EXPECT(once.call([] { throw std::runtime_error("never runs"); }, 1ms));
}
