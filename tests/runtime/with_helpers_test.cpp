// with_helpers: all steps are taken, by others too where somebody is idle, and what they own stays as long as a helper is in one.
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

// Seen failing with the caller leaving the rest to its first helper: steps are left.
REEVE_TEST("helpers: who has shared a task returns when no steps are left", "[helpers]") {
    constexpr int k_steps = 20'000;
    const auto taken = std::make_shared<std::atomic<int>>(0);
    with_helpers([taken] { return taken->fetch_add(1) + 1 < k_steps; });
    REEVE_EXPECT(*taken >= k_steps);
}

// Seen failing with the helper's step referring to the caller's: it is gone.
TEST_CASE("helpers: what a step owns stays while a helper is in it", "[helpers]") {
    bool was_there = false;
    reeve::run(with_workers(2), [&was_there] {
        std::atomic<bool> is_in{false};
        reeve::Event may_go;
        auto owned = std::make_shared<int>();
        const std::weak_ptr<int> seen = owned;
        with_helpers([owned = std::move(owned), &is_in, &may_go, caller = reeve::this_fiber::id()] {
            if (reeve::this_fiber::id() == caller) return !is_in.load();
            is_in = true;
            (void)may_go.wait();
            return false;
        });
        was_there = !seen.expired();
        may_go.set();
        while (!seen.expired()) reeve::this_fiber::yield();  // it refers to what is about to go
    });
    CHECK(was_there);
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
