// TimerHeap: what is due fires in order, what was disarmed does not, and a wait that is over is not claimed again.
#include "runtime/sched/timer_heap.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using reeve::Deadline;
using reeve::sched::FiberState;
using reeve::sched::Outcome;
using reeve::sched::Parkable;
using reeve::sched::TimerHeap;

namespace {

struct Sleeper : Parkable {
    void arm(TimerHeap& heap, std::int64_t when) {
        epoch = state.open(true);
        when_ns = when;
        heap.arm(*this, epoch, when);
    }
    FiberState::Epoch epoch = 0;
    std::int64_t when_ns = 0;
};

std::vector<Parkable*> fire_all(TimerHeap& heap, std::int64_t now_ns, std::size_t room = 4) {
    std::vector<Parkable*> fired;
    bool more = true;
    while (more) {
        std::vector<Parkable*> some(room);
        some.resize(heap.fire(now_ns, some.data(), room, more));
        fired.insert(fired.end(), some.begin(), some.end());
    }
    return fired;
}

}  // namespace

TEST_CASE("timer heap: fires what is due, in order, and keeps the rest", "[timer_heap]") {
    TimerHeap heap;
    CHECK(heap.earliest_ns() == Deadline::k_never_ns);
    std::deque<Sleeper> sleepers(5);
    for (const int i : {3, 0, 4, 1, 2}) sleepers[static_cast<std::size_t>(i)].arm(heap, 100 + i);
    CHECK(heap.earliest_ns() == 100);
    CHECK(fire_all(heap, 99).empty());
    CHECK(fire_all(heap, 102) == std::vector<Parkable*>{&sleepers[0], &sleepers[1], &sleepers[2]});
    CHECK(heap.earliest_ns() == 103);
    CHECK(fire_all(heap, 1000) == std::vector<Parkable*>{&sleepers[3], &sleepers[4]});
    CHECK(heap.earliest_ns() == Deadline::k_never_ns);
}

TEST_CASE("timer heap: a disarmed timer does not fire; disarming a fired one does nothing", "[timer_heap]") {
    TimerHeap heap;
    std::deque<Sleeper> sleepers(3);
    for (std::size_t i = 0; i < 3; ++i) sleepers[i].arm(heap, static_cast<std::int64_t>(i));
    heap.disarm(sleepers[1]);
    CHECK(fire_all(heap, 10) == std::vector<Parkable*>{&sleepers[0], &sleepers[2]});
    heap.disarm(sleepers[0]);
    CHECK(heap.earliest_ns() == Deadline::k_never_ns);
}

TEST_CASE("timer heap: a wait claimed by another is not scheduled by the timer", "[timer_heap]") {
    TimerHeap heap;
    std::deque<Sleeper> sleepers(2);
    for (Sleeper& sleeper : sleepers) sleeper.arm(heap, 5);
    REQUIRE(sleepers[0].state.claim(sleepers[0].epoch, Outcome::ready));
    CHECK(fire_all(heap, 5) == std::vector<Parkable*>{&sleepers[1]});
}

TEST_CASE("timer heap: thousands armed and disarmed at random fire in order and completely", "[timer_heap]") {
    std::mt19937 random(7);
    TimerHeap heap;
    std::deque<Sleeper> sleepers(5'000);
    std::size_t armed = 0;
    for (Sleeper& sleeper : sleepers) sleeper.arm(heap, static_cast<std::int64_t>(random() % 10'000));
    for (Sleeper& sleeper : sleepers) {
        if (random() % 3 == 0)
            heap.disarm(sleeper);
        else
            ++armed;
    }
    std::size_t fired = 0;
    std::int64_t last = -1;
    bool in_order = true;
    for (std::int64_t now = 0; now < 10'000 + 97; now += 97)
        for (Parkable* who : fire_all(heap, now, 7)) {
            const std::int64_t when = static_cast<Sleeper*>(who)->when_ns;
            in_order = in_order && when >= last && when <= now;
            last = when;
            ++fired;
        }
    CHECK(in_order);
    CHECK(fired == armed);
}

// Seen failing, in one run of nine on a busy machine, with fire() giving up the places of what is due before the claims: it claims
// a later wait, or one of those that were left.
TEST_CASE("timer heap: a waiter is not looked at once disarm() has returned", "[timer_heap]") {
    constexpr int k_rounds = 300;
    constexpr std::size_t k_sleepers = 2000;
    TimerHeap heap;
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
                heap.disarm(sleeper);
            }
            left.store(round, std::memory_order_release);
        }
    });
    std::size_t fired = 0;
    for (int round = 1; round <= k_rounds; ++round) {
        for (Sleeper& sleeper : sleepers) sleeper.arm(heap, round);
        armed.store(round, std::memory_order_release);
        while (begun.load(std::memory_order_acquire) != round) std::this_thread::yield();
        fired += fire_all(heap, round, 64).size();
        while (left.load(std::memory_order_acquire) != round) std::this_thread::yield();
        for (Sleeper& sleeper : sleepers) {
            (void)sleeper.state.ready();
            (void)sleeper.state.outcome();
        }
    }
    others.join();
    CHECK(fired + ended_by_others == k_rounds * k_sleepers);
    CHECK(heap.earliest_ns() == Deadline::k_never_ns);
}
