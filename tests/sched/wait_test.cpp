// Wait: where its Waiter lies, and that one wait inside another leaves the outer one alone.
#include <chrono>

#include "runtime/runtime.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/wait_queue.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Deadline;
using reeve::sched::Entry;
using reeve::sched::Outcome;
using reeve::sched::Wait;
using reeve::sched::WaitQueue;

// Seen failing with a Wait that does not say that the room is taken: the outer waiter is not in its queue any more.
REEVE_TEST("wait: a fiber's waiter lies in its record, that of a wait meanwhile on its stack, that of a third elsewhere", "[wait]") {
    const auto& self = static_cast<reeve::sched::Fiber&>(reeve::sched::current_parkable());
    const void* const room = &self.room;
    for (int round = 0; round < 3; ++round) {
        const Entry entry;
        WaitQueue queue;
        Wait outer("outer");
        REEVE_EXPECT(&*outer == room);
        outer->slot = &queue;
        queue.push(*outer);
        REEVE_EXPECT(outer.park(Deadline::in(1us)) == Outcome::timed_out);
        {
            Wait inner("inner");
            REEVE_EXPECT(&*inner == static_cast<const void*>(&self.its_head().second_room));
            REEVE_EXPECT(inner.park(Deadline::in(1us)) == Outcome::timed_out);
            Wait innermost("innermost");
            REEVE_EXPECT(&*innermost != &*inner && &*innermost != &*outer);
            REEVE_EXPECT(innermost.park(Deadline::in(1us)) == Outcome::timed_out);
        }
        REEVE_EXPECT(outer->is_linked);
        REEVE_EXPECT(outer->slot == &queue);
        REEVE_EXPECT(!outer->claim(Outcome::ready));
        queue.remove_if_linked(*outer);
        REEVE_EXPECT(queue.is_empty());
    }
}

TEST_CASE("wait: a plain thread has room for a wait meanwhile, and a third", "[wait]") {
    Wait outer("outer");
    CHECK(outer.park(Deadline::in(1us)) == Outcome::timed_out);
    Wait inner("inner");
    CHECK(inner.park(Deadline::in(1us)) == Outcome::timed_out);
    Wait innermost("innermost");
    CHECK(innermost.park(Deadline::in(1us)) == Outcome::timed_out);
    CHECK(&*outer != &*inner);
    CHECK(&*innermost != &*inner);
    CHECK(!inner->claim(Outcome::ready));
}
