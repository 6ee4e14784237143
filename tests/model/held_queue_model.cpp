// HeldQueue in every order of pushes, one of them in a signal handler, and pops (unchanged header).
#include <memory>

#include "tests/model/traced.hpp"
#include "tests/support/catch.hpp"

using reeve::model::Execution;
using reeve::model::explore;
using reeve_model::sched::Fiber;
using reeve_model::sched::HeldQueue;

// Seen failing with push() as a load and a store instead of the compare-exchange: a fiber is lost.
TEST_CASE("held queue: pushed once, popped once, though a handler interrupts a push or a pop", "[model]") {
    const auto explored = explore({.switches = 3}, [](Execution& execution) {
        HeldQueue queue;
        const std::unique_ptr<Fiber[]> fibers(new Fiber[3]);
        int popped[3] = {};
        const auto pop = [&] {
            if (Fiber* fiber = queue.pop()) ++popped[fiber - fibers.get()];
        };
        const unsigned pusher = execution.thread([&] { queue.push(fibers[0]); }, [&] { queue.push(fibers[1]); });
        execution.thread([&] {
            queue.push(fibers[2]);
            pop();
        });
        execution.thread(pop);
        execution.raise(pusher);
        if (!execution.run()) return;
        const bool was_interrupted = queue.size() + static_cast<std::size_t>(popped[0] + popped[1] + popped[2]) == 3;
        for (int i = 0; i < 4; ++i) pop();
        execution.expect(popped[0] == 1 && popped[2] == 1 && popped[1] == was_interrupted, "lost, or popped twice");
        execution.expect(queue.is_empty() && !queue.pop(), "the size is wrong");
    });
    CHECK(explored.failure == "");
    CHECK(explored.is_thorough());
}
