// Mutex, Condition, WaitGroup: order, std's timed locks, and what races with deadlines, cancellation and destruction.
#include <atomic>
#include <cstddef>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/poisoned.hpp"
#include "tests/support/reeve_test.hpp"
#include "tests/support/waiting.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::test::wait_until_parked;

namespace {

void at_short_quantum(void (*body)()) {
    reeve::test::run_everywhere(body, [](reeve::Config& config) { config.quantum = 100us; });
}

// Deadlines and cancellations race with unlock(): every success counts once, and in the end the mutex is free.
void mutex_races() {
    constexpr int k_fibers = 12;
    constexpr int k_rounds = 150;
    reeve::Mutex mutex;
    int counter = 0;
    std::atomic<int> successes{0};
    std::vector<reeve::Join<void>> joins;
    for (unsigned f = 0; f < k_fibers; ++f)
        joins.push_back(reeve::spawn([&, f] {
            std::minstd_rand random(f + 1);
            for (int round = 0; round < k_rounds; ++round) {
                if (!mutex.lock(std::chrono::microseconds(random() % 60))) continue;
                ++counter;
                ++successes;
                if (random() % 4 == 0) reeve::this_fiber::yield();
                mutex.unlock();
            }
        }));
    for (std::size_t f = 0; f < joins.size(); f += 3) {
        reeve::this_fiber::yield();
        joins[f].cancel();
    }
    for (auto& join : joins) join.join();
    REEVE_EXPECT(counter == successes.load());
    REEVE_EXPECT(mutex.try_lock());
    mutex.unlock();
}

// Each token is announced once, and the next comes only after it was taken. The impatient take it only if they were
// notified; a notify that went to one who had given up would leave the patient waiting beside a token.
void condition_races() {
    constexpr int k_tokens = 300;
    reeve::Mutex mutex;
    reeve::Condition changed;
    reeve::Semaphore taken(0);
    int tokens = 0;
    bool is_over = false;
    std::vector<reeve::Join<void>> joins;
    for (unsigned f = 0; f < 5; ++f)
        joins.push_back(reeve::spawn([&, f] {
            std::minstd_rand random(f + 1);
            std::unique_lock lock(mutex);
            while (!is_over && !reeve::this_fiber::is_cancelled()) {
                if (!changed.wait(lock, std::chrono::microseconds(random() % 80)) || tokens == 0) continue;
                --tokens;
                taken.release();
            }
        }));
    joins.push_back(reeve::spawn([&] {
        std::unique_lock lock(mutex);
        for (;;) {
            (void)changed.wait(lock, [&] { return tokens > 0 || is_over; });
            if (tokens == 0) return;
            --tokens;
            taken.release();
        }
    }));
    for (int i = 0; i < k_tokens; ++i) {
        {
            const std::lock_guard guard(mutex);
            ++tokens;
            changed.notify_one();
        }
        if (i % 100 == 50) joins[static_cast<std::size_t>(i / 100)].cancel();
        REEVE_EXPECT(taken.acquire());
    }
    {
        const std::lock_guard guard(mutex);
        is_over = true;
        changed.notify_all();
    }
    for (auto& join : joins) join.join();
    REEVE_EXPECT(tokens == 0);
    REEVE_EXPECT(taken.available() == 0);
}

}  // namespace

// Seen failing with lock() that puts the new waiter at the front of the queue.
REEVE_TEST("mutex: handed over in the order in which they came", "[mutex]") {
    reeve::Mutex mutex;
    std::vector<int> order;
    std::vector<reeve::Join<void>> joins;
    mutex.lock();
    for (int i = 0; i < 6; ++i) {
        joins.push_back(reeve::spawn([&, i] {
            const std::lock_guard guard(mutex);
            order.push_back(i);
        }));
        wait_until_parked("mutex", static_cast<std::size_t>(i) + 1);
    }
    mutex.unlock();
    for (auto& join : joins) join.join();
    REEVE_EXPECT(order == std::vector<int>{0, 1, 2, 3, 4, 5});
}

// Seen failing with try_lock_for() that ignores its argument: no end.
REEVE_TEST("mutex: std's timed and multiple locks", "[mutex]") {
    reeve::Mutex first;
    reeve::Mutex second;
    {
        const std::unique_lock lock(first, 1s);
        REEVE_EXPECT(lock.owns_lock());
        REEVE_EXPECT(reeve::spawn([&] { return !std::unique_lock(first, 1ms).owns_lock(); }).join());
        REEVE_EXPECT(reeve::spawn([&] {
                         return !std::unique_lock(first, std::chrono::steady_clock::now() + 1ms).owns_lock();
                     }).join());
    }
    int counter = 0;
    const auto count = [&](reeve::Mutex& a, reeve::Mutex& b) {
        for (int i = 0; i < 200; ++i) {
            const std::scoped_lock both(a, b);
            ++counter;
        }
    };
    auto other = reeve::spawn([&] { count(second, first); });
    count(first, second);
    other.join();
    REEVE_EXPECT(counter == 400);
}

// Seen failing with lock(deadline) looking for the cancellation first: the free mutex was not had.
REEVE_TEST("mutex: a cancelled fiber gets what is free, and does not wait", "[mutex]") {
    reeve::Mutex held;
    reeve::Mutex free;
    held.lock();
    auto fiber = reeve::spawn([&] {
        (void)reeve::sleep_for(1h);  // until it is cancelled
        if (!free.lock(1s)) return false;
        free.unlock();
        return held.lock(1h).error() == Errc::cancelled;
    });
    fiber.cancel();
    REEVE_EXPECT(fiber.join());
    held.unlock();
}

// Seen failing with the waiter that gave up left in the queue, and with unlock() that frees what it has handed over.
TEST_CASE("mutex: deadlines and cancellations race with unlock", "[mutex][stress]") { at_short_quantum(&mutex_races); }

// Who gets the mutex last destroys it, while the unlock() that let him in may not have returned.
// Seen failing with unlock() freeing the word before it lets go of its lock, and a pause between the two.
REEVE_TEST("mutex: the last user may destroy it", "[mutex]") {
    reeve::test::Poisoned<reeve::Mutex> place;
    int spoiled = 0;
    for (int round = 0; round < 300; ++round) {
        reeve::Mutex& mutex = place.make();
        mutex.lock();
        // Somebody has waited and given up, every other time.
        if (round % 2 == 0) REEVE_EXPECT(!reeve::spawn([&] { return mutex.lock(1us).has_value(); }).join());
        auto last = reeve::spawn([&] {
            while (!mutex.try_lock()) reeve::this_fiber::yield();
            mutex.unlock();
            place.destroy();
        });
        if (round % 3 == 0) reeve::this_fiber::yield();
        mutex.unlock();
        last.join();
        spoiled += place.spoiled_bytes();
    }
    REEVE_EXPECT(spoiled == 0);
}

// Seen failing with a notify that the notified takes for a deadline: a token is left, and nobody comes for it.
TEST_CASE("condition: no notify is lost to one who gives up", "[condition][stress]") { at_short_quantum(&condition_races); }

// Seen failing without the second look at the predicate.
REEVE_TEST("condition: a predicate that holds when the deadline passes is a success", "[condition]") {
    reeve::Mutex mutex;
    reeve::Condition never;
    std::unique_lock lock(mutex);
    int looks = 0;
    REEVE_EXPECT(never.wait(lock, [&] { return ++looks == 2; }, 1ms));
    REEVE_EXPECT(never.wait(lock, [] { return false; }, 1ms).error() == Errc::timed_out);
}

// Seen failing with wait() that puts the new waiter at the front of the queue.
REEVE_TEST("condition: the oldest waiter is notified first", "[condition]") {
    reeve::Mutex mutex;
    reeve::Condition turn;
    std::vector<int> order;
    std::vector<reeve::Join<void>> joins;
    for (int i = 0; i < 4; ++i) {
        joins.push_back(reeve::spawn([&, i] {
            std::unique_lock lock(mutex);
            if (turn.wait(lock)) order.push_back(i);
        }));
        wait_until_parked("condition", static_cast<std::size_t>(i) + 1);
    }
    for (auto& join : joins) {
        turn.notify_one();
        join.join();
    }
    REEVE_EXPECT(order == std::vector<int>{0, 1, 2, 3});
}

// Seen failing with a count that a cancelled waiter takes along.
REEVE_TEST("wait group: a wait that is cancelled changes nothing, and a group can be used again", "[wait_group]") {
    const reeve::WaitGroup group;
    for (int round = 0; round < 3; ++round) {
        group.add(2);
        auto waiter = reeve::spawn([group] { return group.wait().error() == Errc::cancelled; });
        auto patient = reeve::spawn([group] { return group.wait().has_value(); });
        waiter.cancel();
        REEVE_EXPECT(waiter.join());
        wait_until_parked("wait group", 1);
        group.done();
        REEVE_EXPECT(!patient.is_done());
        group.done();
        REEVE_EXPECT(patient.join());
    }
}

TEST_CASE("mutex, condition, wait group: between plain threads without a runtime", "[mutex]") {
    reeve::Mutex mutex;
    reeve::Condition changed;
    const reeve::WaitGroup group;
    int turn = 0;
    group.add(2);
    const auto play = [&](int mine) {
        for (int i = 0; i < 100; ++i) {
            std::unique_lock lock(mutex);
            (void)changed.wait(lock, [&] { return turn % 2 == mine; });
            ++turn;
            changed.notify_all();
        }
        group.done();
    };
    std::thread even([&] { play(0); });
    std::thread odd([&] { play(1); });
    CHECK(group.wait(60s));
    CHECK(turn == 200);
    mutex.lock();
    std::thread impatient([&] { CHECK_FALSE(mutex.try_lock_for(1ms)); });
    impatient.join();
    mutex.unlock();
    even.join();
    odd.join();
}
