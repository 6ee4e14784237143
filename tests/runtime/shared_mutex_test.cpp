// SharedMutex: sharing, exclusion, order, giving up, and exact counts when all of it happens at once.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/poisoned.hpp"
#include "tests/support/reeve_test.hpp"
#include "tests/support/waiting.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::SharedMutex;
using reeve::test::wait_until_parked;

namespace {

// Two numbers that only writers change, and always both.
struct Pair {
    SharedMutex mutex;
    long first = 0;
    long second = 0;
    std::atomic<int> readers{0};
    std::atomic<int> writers{0};

    void read(bool linger) {
        ++readers;
        REEVE_EXPECT(writers.load() == 0);
        const long seen = first;
        if (linger) reeve::this_fiber::yield();
        REEVE_EXPECT(second == seen);
        --readers;
    }
    void write(bool linger) {
        REEVE_EXPECT(++writers == 1);
        REEVE_EXPECT(readers.load() == 0);
        ++first;
        if (linger) reeve::this_fiber::yield();
        ++second;
        --writers;
    }
};

void readers_and_writers() {
    Pair pair;
    std::atomic<long> writes{0};
    const auto work = [&](unsigned seed) {
        std::minstd_rand random(seed);
        for (int round = 0; round < 200; ++round) {
            const auto deadline = std::chrono::microseconds(random() % 100);
            const bool linger = random() % 3 == 0;
            const unsigned what = random() % 8;
            if (what == 0) {
                const std::unique_lock lock(pair.mutex);
                pair.write(linger);
                ++writes;
            } else if (what == 1) {
                if (!pair.mutex.lock(deadline)) continue;
                pair.write(linger);
                ++writes;
                pair.mutex.unlock();
            } else if (what == 2) {
                if (!pair.mutex.try_lock()) continue;
                pair.write(linger);
                ++writes;
                pair.mutex.unlock();
            } else if (what < 5) {
                const std::shared_lock lock(pair.mutex, deadline);
                if (lock) pair.read(linger);
            } else {
                const std::shared_lock lock(pair.mutex);
                pair.read(linger);
            }
        }
    };
    std::vector<reeve::Join<void>> joins;
    for (unsigned f = 1; f <= 12; ++f) joins.push_back(reeve::spawn([&work, f] { work(f); }));
    std::thread thread([&] { work(99); });
    for (std::size_t f = 0; f < joins.size(); f += 4) {
        reeve::this_fiber::yield();
        joins[f].cancel();  // its waits with a deadline end; the others are as before
    }
    for (auto& join : joins) join.join();
    reeve::blocking([&] { thread.join(); });
    REEVE_EXPECT(pair.first == writes.load());
    REEVE_EXPECT(pair.second == writes.load());
    REEVE_EXPECT(pair.mutex.try_lock());  // free: nothing of those who gave up is left
    pair.mutex.unlock();
}

}  // namespace

// Seen failing with hand_over() that stops after the first reader: the others do not get in beside it.
REEVE_TEST("shared mutex: a writer that leaves lets in all readers at once", "[shared_mutex]") {
    SharedMutex mutex;
    reeve::Latch inside(5);
    std::vector<reeve::Join<bool>> readers;
    mutex.lock();
    for (int i = 0; i < 5; ++i)
        readers.push_back(reeve::spawn([&] {
            const std::shared_lock lock(mutex);
            return inside.arrive_and_wait(1, 20s).has_value();
        }));
    wait_until_parked("shared mutex", 5);
    mutex.unlock();
    for (auto& reader : readers) REEVE_EXPECT(reader.join());
}

// Seen failing with readers that only look for a writer inside: the second reader passed the writer.
REEVE_TEST("shared mutex: a reader queues behind a waiting writer", "[shared_mutex]") {
    SharedMutex mutex;
    std::vector<int> order;
    mutex.lock_shared();
    REEVE_EXPECT(mutex.try_lock_shared());
    mutex.unlock_shared();
    auto writer = reeve::spawn([&] {
        const std::lock_guard lock(mutex);
        order.push_back(1);
    });
    wait_until_parked("shared mutex", 1);
    REEVE_EXPECT(!mutex.try_lock_shared());
    auto reader = reeve::spawn([&] {
        const std::shared_lock lock(mutex);
        order.push_back(2);
    });
    wait_until_parked("shared mutex", 2);
    mutex.unlock_shared();
    writer.join();
    reader.join();
    REEVE_EXPECT(order == std::vector<int>{1, 2});
}

// Seen failing without admit_readers(): the readers wait for the other reader, who waits for them.
REEVE_TEST("shared mutex: a writer that gives up lets the readers behind it in", "[shared_mutex]") {
    SharedMutex mutex;
    mutex.lock_shared();
    for (const bool by_deadline : {false, true}) {
        auto writer = reeve::spawn([&] {
            const auto result = mutex.lock(by_deadline ? reeve::Deadline(20ms) : reeve::Deadline(1h));
            return !result && result.error() == (by_deadline ? Errc::timed_out : Errc::cancelled);
        });
        if (!by_deadline) wait_until_parked("shared mutex", 1);
        std::vector<reeve::Join<void>> readers;
        for (int i = 0; i < 3; ++i) readers.push_back(reeve::spawn([&] { const std::shared_lock lock(mutex); }));
        if (!by_deadline) {
            wait_until_parked("shared mutex", 4);
            writer.cancel();
        }
        REEVE_EXPECT(writer.join());
        for (auto& reader : readers) reader.join();
    }
    REEVE_EXPECT(mutex.try_lock_shared());
    mutex.unlock_shared();
    mutex.unlock_shared();
    REEVE_EXPECT(mutex.try_lock());
    mutex.unlock();
}

// Seen failing with leave() that does not look into the queue: no end.
REEVE_TEST("shared mutex: writers get it in the order in which they came", "[shared_mutex]") {
    SharedMutex mutex;
    std::vector<int> order;
    std::vector<reeve::Join<void>> writers;
    mutex.lock();
    for (int i = 0; i < 5; ++i) {
        writers.push_back(reeve::spawn([&, i] {
            const std::lock_guard lock(mutex);
            order.push_back(i);
        }));
        wait_until_parked("shared mutex", static_cast<std::size_t>(i) + 1);
    }
    mutex.unlock();
    for (auto& writer : writers) writer.join();
    REEVE_EXPECT(order == std::vector<int>{0, 1, 2, 3, 4});
}

// Seen failing with try_lock_shared_for() that ignores its argument: no end.
REEVE_TEST("shared mutex: std's timed locks", "[shared_mutex]") {
    SharedMutex mutex;
    {
        const std::shared_lock lock(mutex, 1s);
        REEVE_EXPECT(lock.owns_lock());
        REEVE_EXPECT(!std::unique_lock(mutex, 1ms).owns_lock());
        REEVE_EXPECT(std::shared_lock(mutex, 1s).owns_lock());
    }
    const std::unique_lock lock(mutex, std::chrono::steady_clock::now() + 1s);
    REEVE_EXPECT(lock.owns_lock());
    REEVE_EXPECT(!std::shared_lock(mutex, 1ms).owns_lock());
    REEVE_EXPECT(!std::shared_lock(mutex, std::chrono::steady_clock::now() + 1ms).owns_lock());
}

// Seen failing with readers that enter while a writer is in, and with a claim by the queue that the waiter no longer wants.
TEST_CASE("shared mutex: readers and writers with deadlines and cancellation", "[shared_mutex][stress]") {
    reeve::test::run_everywhere(&readers_and_writers, [](reeve::Config& config) { config.quantum = 100us; });
}

// As with Mutex. Seen failing with leave() that takes its lock once more after it has left.
REEVE_TEST("shared mutex: the last user may destroy it", "[shared_mutex]") {
    reeve::test::Poisoned<SharedMutex> place;
    int spoiled = 0;
    for (int round = 0; round < 300; ++round) {
        SharedMutex& mutex = place.make();
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

TEST_CASE("shared mutex: between plain threads without a runtime", "[shared_mutex]") {
    SharedMutex mutex;
    long value = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 300; ++i) {
                {
                    const std::lock_guard lock(mutex);
                    ++value;
                }
                const std::shared_lock lock(mutex);
                if (value < i) std::abort();
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(value == 900);
}
