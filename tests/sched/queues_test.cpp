// RunQueue, GlobalQueue, HeldQueue: order, bounds, and that no fiber is lost or seen twice by thieves.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/sched/fiber.hpp"
#include "runtime/sched/global_queue.hpp"
#include "runtime/sched/run_queue.hpp"
#include "tests/support/catch.hpp"

using reeve::sched::Fiber;
using reeve::sched::GlobalQueue;
using reeve::sched::HeldQueue;
using reeve::sched::RunQueue;

namespace {

// Fibers that never run: they only stand in queues.
struct Fibers {
    explicit Fibers(std::size_t count) : all(new Fiber[count]()), count_of(count) {
        for (std::size_t i = 0; i < count; ++i) all[i].id = i;
    }
    Fiber& operator[](std::size_t i) { return all[i]; }
    std::unique_ptr<Fiber[]> all;
    std::size_t count_of;
};

}  // namespace

TEST_CASE("run queue: first in, first out, up to its capacity", "[run_queue]") {
    Fibers fibers(RunQueue::k_capacity + 1);
    RunQueue queue;
    for (std::size_t i = 0; i < RunQueue::k_capacity; ++i) REQUIRE(queue.push(fibers[i]));
    CHECK_FALSE(queue.push(fibers[RunQueue::k_capacity]));
    CHECK(queue.size() == RunQueue::k_capacity);
    for (std::size_t i = 0; i < RunQueue::k_capacity; ++i) REQUIRE(queue.pop() == &fibers[i]);
    CHECK(queue.pop() == nullptr);
    CHECK(queue.is_empty());
}

TEST_CASE("run queue: a thief takes the older half, of one the one", "[run_queue]") {
    Fibers fibers(7);
    RunQueue queue;
    RunQueue thief;
    CHECK(queue.steal_into(thief) == 0);
    for (std::size_t i = 0; i < 7; ++i) REQUIRE(queue.push(fibers[i]));
    CHECK(queue.steal_into(thief) == 4);
    CHECK(queue.size() == 3);
    for (std::size_t i = 0; i < 4; ++i) CHECK(thief.pop() == &fibers[i]);
    for (std::size_t i = 4; i < 7; ++i) CHECK(queue.pop() == &fibers[i]);
    REQUIRE(queue.push(fibers[0]));
    CHECK(queue.steal_into(thief) == 1);
    CHECK(thief.pop() == &fibers[0]);
}

TEST_CASE("run queue: under two thieves each fiber comes out exactly once", "[run_queue]") {
    constexpr std::size_t k_count = 100'000;
    Fibers fibers(k_count);
    RunQueue queue;
    std::vector<std::atomic<int>> seen(k_count);
    std::atomic<bool> done{false};
    const auto count = [&](Fiber* fiber) { seen[fiber->id].fetch_add(1); };
    std::vector<std::thread> thieves;
    for (int i = 0; i < 2; ++i)
        thieves.emplace_back([&] {
            RunQueue own;
            while (!done) {
                queue.steal_into(own);
                while (Fiber* fiber = own.pop()) count(fiber);
            }
        });
    for (std::size_t i = 0; i < k_count; ++i) {
        while (!queue.push(fibers[i]))
            if (Fiber* fiber = queue.pop()) count(fiber);
        if (i % 3 == 0)
            if (Fiber* fiber = queue.pop()) count(fiber);
    }
    while (Fiber* fiber = queue.pop()) count(fiber);
    done = true;
    for (std::thread& thief : thieves) thief.join();
    std::size_t wrong = 0;
    for (const auto& times : seen) wrong += times.load() == 1 ? 0 : 1;
    CHECK(wrong == 0);
}

TEST_CASE("global queue: first in, first out", "[global_queue]") {
    Fibers fibers(3);
    GlobalQueue queue;
    CHECK(queue.pop() == nullptr);
    for (std::size_t i = 0; i < 3; ++i) queue.push(fibers[i]);
    CHECK(queue.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(queue.pop() == &fibers[i]);
    CHECK(queue.is_empty());
}

TEST_CASE("held queue: first in, first out between two emptyings of the inbox", "[held_queue]") {
    Fibers fibers(4);
    HeldQueue queue;
    for (std::size_t i = 0; i < 3; ++i) queue.push(fibers[i]);
    CHECK(queue.pop() == &fibers[0]);
    queue.push(fibers[3]);
    for (std::size_t i = 1; i < 4; ++i) CHECK(queue.pop() == &fibers[i]);
    CHECK(queue.pop() == nullptr);
    CHECK(queue.size() == 0);
}

TEST_CASE("held queue: two pushers and two poppers lose nothing and double nothing", "[held_queue]") {
    constexpr std::size_t k_each = 50'000;
    Fibers fibers(2 * k_each);
    HeldQueue queue;
    std::vector<std::atomic<int>> seen(2 * k_each);
    std::atomic<std::size_t> popped{0};
    std::vector<std::thread> threads;
    for (std::size_t half = 0; half < 2; ++half) {
        threads.emplace_back([&, half] {
            for (std::size_t i = 0; i < k_each; ++i) queue.push(fibers[half * k_each + i]);
        });
        threads.emplace_back([&] {
            while (popped.load() < 2 * k_each)
                if (Fiber* fiber = queue.pop()) {
                    seen[fiber->id].fetch_add(1);
                    popped.fetch_add(1);
                }
        });
    }
    for (std::thread& thread : threads) thread.join();
    std::size_t wrong = 0;
    for (const auto& times : seen) wrong += times.load() == 1 ? 0 : 1;
    CHECK(wrong == 0);
    CHECK(queue.size() == 0);
}
