// Mutex, Condition, WaitGroup, gather, blocking: exclusion, waking, deadlines, cancellation, exact counts.
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Errc;

REEVE_TEST("mutex: excludes, across parks and preemptions", "[mutex]") {
    reeve::Mutex mutex;
    int inside = 0;
    int counter = 0;
    std::vector<reeve::Join<void>> joins;
    for (int f = 0; f < 20; ++f)
        joins.push_back(reeve::spawn([&] {
            for (int i = 0; i < 200; ++i) {
                const std::lock_guard guard(mutex);
                REEVE_EXPECT(++inside == 1);
                if (i % 10 == 0) reeve::this_fiber::yield();
                ++counter;
                --inside;
            }
        }));
    for (auto& join : joins) join.join();
    REEVE_EXPECT(counter == 20 * 200);
}

REEVE_TEST("mutex: lock with a deadline times out, is cancelled, or gets it", "[mutex]") {
    reeve::Mutex mutex;
    mutex.lock();
    REEVE_EXPECT(!mutex.try_lock());
    REEVE_EXPECT(reeve::spawn([&] { return mutex.lock(1ms).error() == Errc::timed_out; }).join());
    auto cancelled = reeve::spawn([&] { return mutex.lock(reeve::Deadline::never()).error() == Errc::cancelled; });
    (void)reeve::sleep_for(1ms);
    cancelled.cancel();
    REEVE_EXPECT(cancelled.join());
    auto patient = reeve::spawn([&] {
        const bool got = mutex.lock(20s).has_value();
        if (got) mutex.unlock();
        return got;
    });
    (void)reeve::sleep_for(1ms);
    mutex.unlock();
    REEVE_EXPECT(patient.join());
    REEVE_EXPECT(mutex.try_lock());
    mutex.unlock();
}

REEVE_TEST("mutex: fibers and plain threads exclude each other", "[mutex]") {
    reeve::Mutex mutex;
    int counter = 0;
    const auto count = [&] {
        for (int i = 0; i < 500; ++i) {
            const std::lock_guard guard(mutex);
            ++counter;
        }
    };
    std::thread thread(count);
    auto fiber = reeve::spawn(count);
    count();
    fiber.join();
    reeve::blocking([&] { thread.join(); });
    REEVE_EXPECT(counter == 1500);
}

REEVE_TEST("condition: a queue between producers and consumers delivers an exact sum", "[condition]") {
    reeve::Mutex mutex;
    reeve::Condition changed;
    std::vector<int> queue;
    bool done = false;
    std::atomic<long> sum{0};
    std::vector<reeve::Join<void>> consumers;
    for (int c = 0; c < 4; ++c)
        consumers.push_back(reeve::spawn([&] {
            std::unique_lock lock(mutex);
            for (;;) {
                while (queue.empty() && !done) (void)changed.wait(lock);
                if (queue.empty()) return;
                sum += queue.back();
                queue.pop_back();
            }
        }));
    for (int i = 1; i <= 1000; ++i) {
        const std::lock_guard guard(mutex);
        queue.push_back(i);
        changed.notify_one();
    }
    {
        const std::lock_guard guard(mutex);
        done = true;
    }
    changed.notify_all();
    for (auto& consumer : consumers) consumer.join();
    REEVE_EXPECT(sum.load() == 500'500);
}

REEVE_TEST("condition: a wait that times out or is cancelled holds the lock again", "[condition]") {
    reeve::Mutex mutex;
    reeve::Condition never;
    {
        std::unique_lock lock(mutex);
        REEVE_EXPECT(never.wait(lock, 1ms).error() == Errc::timed_out);
        REEVE_EXPECT(lock.owns_lock());
        REEVE_EXPECT(!mutex.try_lock());
    }
    auto waiter = reeve::spawn([&] {
        std::unique_lock lock(mutex);
        const bool was_cancelled = never.wait(lock).error() == Errc::cancelled;
        return was_cancelled && !mutex.try_lock();
    });
    (void)reeve::sleep_for(1ms);
    waiter.cancel();
    REEVE_EXPECT(waiter.join());
    REEVE_EXPECT(mutex.try_lock());
    mutex.unlock();
}

REEVE_TEST("wait group: waits for all, times out before", "[wait_group]") {
    reeve::WaitGroup group;
    REEVE_EXPECT(group.wait());
    reeve::Channel<int> gate;
    for (int i = 0; i < 50; ++i) {
        group.add();
        reeve::go([group, gate] {
            (void)gate.recv();
            group.done();
        });
    }
    REEVE_EXPECT(group.wait(1ms).error() == Errc::timed_out);
    gate.close();
    REEVE_EXPECT(group.wait(20s));
}

// Seen failing with a count that reaches zero without the lock (the watchdog ends it).
REEVE_TEST("wait group: the last step and the first wait meet", "[wait_group]") {
    constexpr int k_rounds = 3000;
    int done = 0;
    for (int round = 0; round < k_rounds; ++round) {
        reeve::WaitGroup group;
        group.add(2);
        for (int i = 0; i < 2; ++i) reeve::go([&group] { group.done(); });
        if (round % 2 == 0) reeve::this_fiber::yield();
        REEVE_EXPECT(group.wait());
        ++done;
    }
    REEVE_EXPECT(done == k_rounds);
}

REEVE_TEST("gather: results come in order, at the price of the longest", "[gather]") {
    const auto [number, text] = reeve::gather(
        [] {
            (void)reeve::sleep_for(3ms);
            return 1;
        },
        [] { return std::string("two"); });
    REEVE_EXPECT(number == 1);
    REEVE_EXPECT(text == "two");

    std::vector<std::function<int()>> calls;
    for (int i = 0; i < 20; ++i)
        calls.emplace_back([i] {
            (void)reeve::sleep_for(std::chrono::microseconds(500 * (20 - i)));
            return i;
        });
    const std::vector<int> results = reeve::gather(calls);
    REEVE_EXPECT(results.size() == 20);
    for (std::size_t i = 0; i < results.size(); ++i) REEVE_EXPECT(results[i] == static_cast<int>(i));
}

REEVE_TEST("gather: the first exception cancels the others and is rethrown after all have ended", "[gather]") {
    std::atomic<bool> other_ended{false};
    bool caught = false;
    try {
        (void)reeve::gather(
            []() -> int {
                (void)reeve::sleep_for(1ms);
                throw std::runtime_error("first");
            },
            [&] {
                const auto slept = reeve::sleep_for(1h);
                other_ended = !slept;
                return 1;
            });
    } catch (const std::runtime_error& error) {
        caught = std::string(error.what()) == "first";
    }
    REEVE_EXPECT(caught);
    REEVE_EXPECT(other_ended.load());
}

REEVE_TEST("blocking: returns, throws, and holds nobody up", "[blocking]") {
    std::vector<reeve::Join<int>> joins;
    for (int i = 0; i < 8; ++i)
        joins.push_back(reeve::spawn([i] {
            return reeve::blocking([i] {
                ::usleep(20'000);
                return i;
            });
        }));
    for (int i = 0; i < 5; ++i) REEVE_EXPECT(reeve::sleep_for(1ms));
    int sum = 0;
    for (auto& join : joins) sum += join.join();
    REEVE_EXPECT(sum == 28);
    bool caught = false;
    try {
        reeve::blocking([] { throw std::runtime_error("blocked"); });
    } catch (const std::runtime_error&) {
        caught = true;
    }
    REEVE_EXPECT(caught);
}

REEVE_TEST("sleep: never too short, and many sleep at once", "[sleep]") {
    std::vector<reeve::Join<bool>> sleepers;
    for (int i = 0; i < 500; ++i)
        sleepers.push_back(reeve::spawn([i] {
            const std::int64_t due = reeve::now_ns() + i * 20'000;
            return reeve::sleep_until(reeve::Deadline::at_ns(due)).has_value() && reeve::now_ns() >= due;
        }));
    for (auto& sleeper : sleepers) REEVE_EXPECT(sleeper.join());
    REEVE_EXPECT(reeve::sleep_for(-1ms));
}
