// FiberState: each edge of its table, the edges that must not exist, and who schedules in every order of events.
#include "runtime/sched/fiber_state.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using reeve::sched::FiberState;
using reeve::sched::Outcome;

TEST_CASE("fiber state: ready before leave, leave schedules", "[fiber_state]") {
    FiberState state;
    const auto epoch = state.open(true);
    CHECK(state.claim(epoch, Outcome::ready));
    CHECK_FALSE(state.is_ready());
    CHECK_FALSE(state.ready());
    CHECK(state.is_ready());
    CHECK(state.leave());
    CHECK(state.outcome() == Outcome::ready);
}

TEST_CASE("fiber state: leave before ready, ready schedules", "[fiber_state]") {
    FiberState state;
    const auto epoch = state.open(true);
    CHECK_FALSE(state.leave());
    CHECK(state.claim(epoch, Outcome::closed));
    CHECK(state.ready());
    CHECK(state.outcome() == Outcome::closed);
}

TEST_CASE("fiber state: only one claim on an epoch succeeds", "[fiber_state]") {
    FiberState state;
    const auto epoch = state.open(true);
    CHECK(state.claim(epoch, Outcome::timed_out));
    CHECK_FALSE(state.claim(epoch, Outcome::ready));
    CHECK_FALSE(state.ready());
    CHECK(state.outcome() == Outcome::timed_out);
    CHECK_FALSE(state.claim(epoch, Outcome::ready));
}

TEST_CASE("fiber state: a claim on an earlier epoch fails", "[fiber_state]") {
    FiberState state;
    const auto old = state.open(true);
    CHECK(state.claim(old, Outcome::ready));
    CHECK_FALSE(state.ready());
    const auto now = state.open(true);
    CHECK(now != old);
    CHECK_FALSE(state.claim(old, Outcome::ready));
    CHECK(state.claim(now, Outcome::ready));
}

TEST_CASE("fiber state: cancelling a wait ends it, and whoever comes second schedules", "[fiber_state]") {
    FiberState left_first;
    left_first.open(true);
    CHECK_FALSE(left_first.leave());
    CHECK(left_first.cancel(FiberState::mark_cancelled));
    CHECK(left_first.outcome() == Outcome::cancelled);

    FiberState cancelled_first;
    cancelled_first.open(true);
    CHECK_FALSE(cancelled_first.cancel(FiberState::mark_cancelled));
    CHECK(cancelled_first.leave());
    CHECK(cancelled_first.outcome() == Outcome::cancelled);
}

TEST_CASE("fiber state: a wait that is not cancellable only gets the mark", "[fiber_state]") {
    FiberState state;
    const auto epoch = state.open(false);
    CHECK_FALSE(state.leave());
    CHECK_FALSE(state.cancel(FiberState::mark_cancelled));
    CHECK(state.is_marked());
    CHECK(state.claim(epoch, Outcome::ready));
    CHECK(state.ready());
    CHECK(state.outcome() == Outcome::ready);
}

TEST_CASE("fiber state: once marked, each later cancellable wait is over before it starts", "[fiber_state]") {
    FiberState state;
    CHECK_FALSE(state.cancel(FiberState::mark_cancelled));
    for (int i = 0; i < 3; ++i) {
        const auto epoch = state.open(true);
        CHECK(state.is_ready());
        CHECK_FALSE(state.claim(epoch, Outcome::ready));
        CHECK(state.outcome() == Outcome::cancelled);
    }
    const auto epoch = state.open(false);
    CHECK_FALSE(state.is_ready());
    CHECK(state.claim(epoch, Outcome::ready));
    CHECK_FALSE(state.ready());
}

TEST_CASE("fiber state: forgetting a hang-up leaves a cancellation standing", "[fiber_state]") {
    FiberState state;
    CHECK_FALSE(state.cancel(FiberState::mark_hung_up));
    CHECK_FALSE(state.cancel(FiberState::mark_cancelled));
    state.forget(FiberState::mark_hung_up);
    CHECK_FALSE(state.is_marked(FiberState::mark_hung_up));
    CHECK(state.is_marked(FiberState::mark_cancelled));
}

// Seen failing with open() and with cancel() not looking at the shield.
TEST_CASE("fiber state: while shielded, marks end no wait, and afterwards they do", "[fiber_state]") {
    FiberState state;
    CHECK_FALSE(state.shield());
    CHECK(state.shield());
    auto epoch = state.open(true);
    CHECK_FALSE(state.leave());
    CHECK(state.is_cancellable());  // a deadline may end it
    CHECK_FALSE(state.cancel(FiberState::mark_cancelled));
    CHECK_FALSE(state.is_ready());
    CHECK(state.claim(epoch, Outcome::ready));
    CHECK(state.ready());
    epoch = state.open(true);
    CHECK_FALSE(state.is_ready());
    CHECK(state.claim(epoch, Outcome::timed_out));
    CHECK_FALSE(state.ready());
    CHECK_FALSE(state.is_marked());
    CHECK(state.is_marked(FiberState::mark_cancelled));
    state.unshield();
    CHECK(state.is_marked());
    state.open(true);
    CHECK(state.outcome() == Outcome::cancelled);
}

TEST_CASE("fiber state: among racing claimers, a canceller and the leaver, one wins and one schedules", "[fiber_state]") {
    constexpr int k_rounds = 5'000;
    constexpr int k_claimers = 3;
    FiberState state;
    std::atomic<int> round{0};
    std::atomic<int> finished{0};
    std::atomic<int> wins{0};
    std::atomic<int> schedules{0};
    std::atomic<FiberState::Epoch> epoch{0};
    std::vector<std::thread> threads;
    for (int number = 0; number < k_claimers + 1; ++number)
        threads.emplace_back([&, number] {
            for (int mine = 1; mine <= k_rounds; ++mine) {
                while (round.load() < mine) std::this_thread::yield();
                if (number == k_claimers) {
                    if (state.cancel(FiberState::mark_hung_up)) ++schedules;
                } else if (state.claim(epoch, Outcome::ready)) {
                    ++wins;
                    if (state.ready()) ++schedules;
                }
                ++finished;
            }
        });
    int wrong = 0;
    for (int now = 1; now <= k_rounds; ++now) {
        state.forget(FiberState::mark_hung_up);
        epoch = state.open(true);
        finished = wins = schedules = 0;
        round = now;
        if (state.leave()) ++schedules;
        while (finished.load() < k_claimers + 1) std::this_thread::yield();
        const Outcome outcome = state.outcome();
        const bool claimed = outcome == Outcome::ready;
        if (schedules != 1 || wins != (claimed ? 1 : 0)) ++wrong;
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}
