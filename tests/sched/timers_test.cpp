// Timers: what is due fires in order, what was disarmed does not, and a wait that is over is not claimed again.
#include "runtime/sched/timers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using reeve::Deadline;
using reeve::sched::FiberState;
using reeve::sched::Outcome;
using reeve::sched::Parkable;
using reeve::sched::Timers;

namespace {

struct Sleeper : Parkable {
    void arm(Timers& timers, std::int64_t when) {
        epoch = state.open(true);
        when_ns = when;
        timers.arm(*this, epoch, when);
    }
    void end() {
        (void)state.ready();
        (void)state.outcome();
    }
    FiberState::Epoch epoch = 0;
    std::int64_t when_ns = 0;
};

std::vector<Parkable*> fire_all(Timers& timers, std::int64_t now_ns, std::size_t room = 4) {
    std::vector<Parkable*> fired;
    bool more = true;
    while (more) {
        std::vector<Parkable*> some(room);
        some.resize(timers.fire(now_ns, some.data(), room, more));
        fired.insert(fired.end(), some.begin(), some.end());
    }
    return fired;
}

}  // namespace

TEST_CASE("timers: fires what is due, in order, and keeps the rest", "[timers]") {
    Timers timers;
    CHECK(timers.earliest_ns() == Deadline::k_never_ns);
    std::deque<Sleeper> sleepers(5);
    for (const int i : {3, 0, 4, 1, 2}) sleepers[static_cast<std::size_t>(i)].arm(timers, 100 + i);
    CHECK(timers.earliest_ns() == 100);
    CHECK(fire_all(timers, 99).empty());
    CHECK(fire_all(timers, 102) == std::vector<Parkable*>{&sleepers[0], &sleepers[1], &sleepers[2]});
    CHECK(timers.earliest_ns() == 103);
    CHECK(fire_all(timers, 1000) == std::vector<Parkable*>{&sleepers[3], &sleepers[4]});
    CHECK(timers.earliest_ns() == Deadline::k_never_ns);
}

TEST_CASE("timers: a disarmed timer does not fire; disarming a fired one does nothing", "[timers]") {
    Timers timers;
    std::deque<Sleeper> sleepers(3);
    for (std::size_t i = 0; i < 3; ++i) sleepers[i].arm(timers, static_cast<std::int64_t>(i));
    timers.disarm(sleepers[1]);
    CHECK(fire_all(timers, 10) == std::vector<Parkable*>{&sleepers[0], &sleepers[2]});
    timers.disarm(sleepers[0]);
    CHECK(timers.earliest_ns() == Deadline::k_never_ns);
}

TEST_CASE("timers: a wait claimed by another is not scheduled by the timer", "[timers]") {
    Timers timers;
    std::deque<Sleeper> sleepers(2);
    for (Sleeper& sleeper : sleepers) sleeper.arm(timers, 5);
    REQUIRE(sleepers[0].state.claim(sleepers[0].epoch, Outcome::ready));
    CHECK(fire_all(timers, 5) == std::vector<Parkable*>{&sleepers[1]});
}

// Some within the wheel, some behind it, some that were armed when it had begun; with removals from every place.
// Seen failing with settle() left out of disarm(), called but once in fire(), and called only when the heap is empty; with
// begin_behind() that begins a slot too early, and with remove() that leaves the waiter or frees a chunk with waiters in it.
TEST_CASE("timers: thousands armed and disarmed at random fire in order and completely", "[timers]") {
    const std::int64_t range_ns = GENERATE(10'000, 3'000'000, 120'000'000, 500'000'000);
    std::mt19937_64 random(7);
    const auto below = [&random](std::int64_t bound) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(bound)); };
    constexpr std::int64_t k_steps = 400;
    Timers timers;
    std::deque<Sleeper> sleepers(5'000);
    std::multiset<std::int64_t> armed;
    std::vector<Sleeper*> asleep;
    bool is_exact = true;
    bool is_complete = true;
    for (std::int64_t step = 0; step <= 2 * k_steps; ++step) {
        const std::int64_t now = range_ns + range_ns * step / k_steps;  // so that nothing is due before zero
        for (std::size_t i = 0; step < k_steps && i < sleepers.size(); ++i) {
            if (sleepers[i].timer_place != reeve::sched::k_no_timer || below(20) != 0) continue;
            const bool is_overdue = below(4) == 0;
            sleepers[i].arm(timers, is_overdue ? now - below(range_ns / 10) : now + 1 + below(range_ns));
            armed.insert(sleepers[i].when_ns);
            asleep.push_back(&sleepers[i]);
        }
        // Now and then nearly all of them.
        for (std::size_t i = asleep.size(); i-- != 0;) {
            if (below(step % 100 == 50 ? 10 : 1000) >= 9) continue;
            Sleeper& sleeper = *asleep[i];
            timers.disarm(sleeper);
            REQUIRE(sleeper.state.claim(sleeper.epoch, Outcome::ready));
            armed.erase(armed.find(sleeper.when_ns));
            sleeper.end();
            asleep[i] = asleep.back();
            asleep.pop_back();
            is_exact = is_exact && timers.earliest_ns() == (armed.empty() ? Deadline::k_never_ns : *armed.begin());
        }
        for (Parkable* who : fire_all(timers, now, 7)) {
            auto& sleeper = *static_cast<Sleeper*>(who);
            REQUIRE(!armed.empty());
            is_exact = is_exact && sleeper.when_ns == *armed.begin();
            armed.erase(armed.begin());
            sleeper.end();
            std::erase(asleep, &sleeper);
        }
        is_complete = is_complete && (armed.empty() || *armed.begin() > now);
        is_exact = is_exact && timers.earliest_ns() == (armed.empty() ? Deadline::k_never_ns : *armed.begin());
    }
    CHECK(is_exact);
    CHECK(is_complete);
    CHECK(armed.empty());
}

// More than a run has room for. Seen failing with no limit to a run and with one of its passes left out; the case above with the
// others, without the sort of a few, with a run that is always taken before the heap, and with one that keeps what was removed.
TEST_CASE("timers: tens of thousands in one slot of the wheel fire in order", "[timers]") {
    constexpr std::int64_t k_begin = std::int64_t{100} << reeve::sched::TimerRun::k_span_shift;
    constexpr std::int64_t k_span = std::int64_t{1} << reeve::sched::TimerRun::k_span_shift;
    Timers timers;
    std::mt19937_64 random(7);
    std::deque<Sleeper> first(100);
    for (Sleeper& sleeper : first) sleeper.arm(timers, 1);
    std::deque<Sleeper> sleepers(2 * reeve::sched::TimerRun::k_room);
    for (Sleeper& sleeper : sleepers)
        sleeper.arm(timers, k_begin + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(k_span)));
    CHECK(fire_all(timers, 1).size() == first.size());
    std::size_t left = sleepers.size();
    std::int64_t last_ns = 0;
    bool is_in_order = true;
    for (const std::int64_t now : {k_begin + k_span / 2, k_begin + k_span}) {
        for (Parkable* who : fire_all(timers, now, 64)) {
            const std::int64_t when_ns = static_cast<Sleeper*>(who)->when_ns;
            is_in_order = is_in_order && last_ns <= when_ns && when_ns <= now;
            last_ns = when_ns;
            --left;
        }
        for (std::size_t i = 0; i < sleepers.size(); i += 3) {
            if (sleepers[i].timer_place == reeve::sched::k_no_timer) continue;
            timers.disarm(sleepers[i]);
            --left;
        }
    }
    CHECK(is_in_order);
    CHECK(left == 0);
    CHECK(timers.earliest_ns() == Deadline::k_never_ns);
}

// Seen failing with a wheel that begins behind the heap's first though a run is not at its end: one fired twice, one never.
TEST_CASE("timers: overdue ones do not disturb the run", "[timers]") {
    const auto in_slot = [](std::int64_t slot, std::int64_t ns) { return (slot << reeve::sched::TimerRun::k_span_shift) + ns; };
    Timers timers;
    std::deque<Sleeper> many(100);
    std::deque<Sleeper> few(5);
    for (Sleeper& sleeper : many) sleeper.arm(timers, in_slot(50, 0));
    for (const std::int64_t i : {0, 1, 2}) few[static_cast<std::size_t>(i)].arm(timers, in_slot(100, 10'000 + 100'000 * i));
    CHECK(fire_all(timers, in_slot(100, 50'000)).size() == many.size() + 1);
    for (Sleeper& sleeper : many) {
        sleeper.end();
        sleeper.arm(timers, in_slot(60, 0));
    }
    few[3].arm(timers, in_slot(99, 0));
    few[4].arm(timers, in_slot(120, 0));
    const auto fired = fire_all(timers, in_slot(100, 60'000));
    CHECK(fired.size() == many.size() + 1);
    CHECK(fired.back() == &few[3]);
    CHECK(fire_all(timers, in_slot(101, 0)) == std::vector<Parkable*>{&few[1], &few[2]});
    CHECK(fire_all(timers, in_slot(120, 0)) == std::vector<Parkable*>{&few[4]});
}

// Seen failing with slab_of() that is one off at the end of a slab, and with give() that forgets the chunk.
TEST_CASE("timer chunks: a number finds its chunk, in every slab, and what was given back is taken next", "[timers]") {
    reeve::sched::TimerChunks chunks;
    constexpr std::uint32_t k_count = 1'000;
    std::vector<reeve::sched::TimerChunk*> taken;
    for (std::uint32_t i = 0; i < k_count; ++i) {
        taken.push_back(chunks.take());
        REQUIRE(taken.back());
        taken.back()->used = 1;
    }
    bool are_found = true;
    for (std::uint32_t i = 0; i < k_count; ++i) are_found = are_found && taken[i]->number == i && &chunks.at(i) == taken[i];
    CHECK(are_found);
    std::sort(taken.begin(), taken.end());
    CHECK(std::adjacent_find(taken.begin(), taken.end()) == taken.end());
    chunks.give(*taken[5]);
    chunks.give(*taken[3]);
    CHECK(chunks.take() == taken[3]);
    CHECK(chunks.take() == taken[5]);
    CHECK(taken[5]->used == 0);
    CHECK(chunks.take()->number == k_count);
}

// Seen failing with remove() that leaves an empty chunk in its slot.
TEST_CASE("timer wheel: what was removed takes no memory", "[timers]") {
    reeve::sched::TimerWheel wheel;
    std::deque<Sleeper> sleepers(100);
    std::set<std::uint32_t> chunks;
    for (int round = 0; round < 100; ++round) {
        for (Sleeper& sleeper : sleepers) {
            REQUIRE(wheel.put({5'000'000, &sleeper, 0}));
            chunks.insert(sleeper.timer_place / 64);
        }
        for (Sleeper& sleeper : sleepers) wheel.remove(sleeper.timer_place);
        CHECK(wheel.is_empty());
    }
    CHECK(chunks.size() == 3);
}

// Seen failing, in one run of nine on a busy machine, with fire() giving up the places of what is due before the claims: it claims
// a later wait, or one of those that were left.
TEST_CASE("timers: a waiter is not looked at once disarm() has returned", "[timers]") {
    constexpr int k_rounds = 300;
    constexpr std::size_t k_sleepers = 2000;
    Timers timers;
    std::vector<Sleeper> sleepers(k_sleepers);
    std::atomic<int> armed{0};
    std::atomic<int> begun{0};
    std::atomic<int> left{0};
    std::size_t ended_by_others = 0;
    std::thread others([&] {
        for (int round = 1; round <= k_rounds; ++round) {
            while (armed.load(std::memory_order_acquire) != round) std::this_thread::yield();
            begun.store(round, std::memory_order_release);
            for (Sleeper& sleeper : sleepers) {
                if (!sleeper.state.claim(sleeper.epoch, Outcome::ready)) continue;
                ++ended_by_others;
                timers.disarm(sleeper);
            }
            left.store(round, std::memory_order_release);
        }
    });
    std::size_t fired = 0;
    for (int round = 1; round <= k_rounds; ++round) {
        // Most of them in the wheel.
        for (std::size_t i = 0; i < k_sleepers; ++i) sleepers[i].arm(timers, 1 + static_cast<std::int64_t>(i) * 20'000);
        armed.store(round, std::memory_order_release);
        while (begun.load(std::memory_order_acquire) != round) std::this_thread::yield();
        fired += fire_all(timers, k_sleepers * 20'000, 64).size();
        while (left.load(std::memory_order_acquire) != round) std::this_thread::yield();
        for (Sleeper& sleeper : sleepers) sleeper.end();
    }
    others.join();
    CHECK(fired + ended_by_others == k_rounds * k_sleepers);
    CHECK(timers.earliest_ns() == Deadline::k_never_ns);
}
