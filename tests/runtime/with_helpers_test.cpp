// with_helpers: each step is taken once, by others too where somebody is idle, and what it touches stays as long as a helper is in it.
#include <atomic>
#include <memory>

#include "runtime/runtime.hpp"
#include "runtime/with_helpers.hpp"
#include "tests/support/reeve_test.hpp"

using reeve::sched::with_helpers;

namespace {

reeve::Config with_workers(unsigned workers) {
    reeve::Config config;
    config.workers = workers;
    return config;
}

}  // namespace

REEVE_TEST("helpers: each step is taken once", "[helpers]") {
    constexpr int k_steps = 20'000;
    struct Task {
        std::atomic<int> next{0};
        std::atomic<int> taken[k_steps] = {};
    };
    const auto task = std::make_shared<Task>();
    with_helpers([task] {
        const int step = task->next.fetch_add(1, std::memory_order_relaxed);
        if (step >= k_steps) return false;
        task->taken[step].fetch_add(1, std::memory_order_relaxed);
        return step + 1 < k_steps;
    });
    REEVE_EXPECT(task->next >= k_steps);
    // A helper may be in the middle of its last one.
    for (const auto& taken : task->taken)
        while (taken.load(std::memory_order_relaxed) == 0) reeve::this_fiber::yield();
    for (const auto& taken : task->taken) REEVE_EXPECT(taken == 1);
}

// Seen failing with may_start_helper() always false: it gives up.
TEST_CASE("helpers: an idle processor takes steps", "[helpers]") {
    bool was_helped = false;
    reeve::run(with_workers(2), [&was_helped] {
        constexpr int k_most = 10'000'000;
        struct Task {
            std::atomic<int> steps{0};
            std::atomic<bool> is_helped{false};
        };
        const auto task = std::make_shared<Task>();
        with_helpers([task, own = reeve::this_fiber::id()] {
            if (reeve::this_fiber::id() != own) task->is_helped = true;
            return !task->is_helped && task->steps.fetch_add(1) < k_most;
        });
        was_helped = task->is_helped;
    });
    CHECK(was_helped);
}

// Seen failing with helpers beyond the number of processors: there are as many as steps.
TEST_CASE("helpers: one less than there are processors, none for one or outside of fibers", "[helpers]") {
    struct Task {
        std::atomic<int> steps{0};
        std::atomic<int> entered{0};
    };
    const auto count = [] {
        const auto task = std::make_shared<Task>();
        // Each helper stays in its first step until all steps are there.
        with_helpers([task, own = reeve::this_fiber::id()] {
            constexpr int k_steps = 1000;
            if (reeve::this_fiber::id() == own) return ++task->steps < k_steps;
            ++task->entered;
            while (task->steps < k_steps) reeve::this_fiber::yield();
            return false;
        });
        return task;
    };
    CHECK(count()->entered == 0);
    for (const unsigned workers : {1U, 2U, 4U}) {
        std::shared_ptr<Task> task;
        reeve::run(with_workers(workers), [&] { task = count(); });
        CHECK(task->steps == 1000);
        CHECK(task->entered <= static_cast<int>(workers) - 1);
    }
}
