#include "tests/support/waiting.hpp"

#include "runtime/go.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::test {
namespace {

// The fiber may change meanwhile; both are words, and a reason is a string constant.
__attribute__((noinline, no_sanitize("thread"))) const char* reason_of_parked(const sched::Fiber& fiber) {
    return fiber.phase.load(std::memory_order_acquire) == sched::Phase::parked ? fiber.reason : nullptr;
}

}  // namespace

void wait_until_parked(std::string_view reason, std::size_t count) {
    for (;;) {
        std::size_t parked = 0;
        {
            sched::Entry entry;
            sched::Scheduler::active()->for_each_fiber([&](sched::Fiber& fiber) {
                const char* of_fiber = reason_of_parked(fiber);
                if (of_fiber && reason == of_fiber) ++parked;
            });
        }
        if (parked >= count) return;
        this_fiber::yield();
    }
}

}  // namespace reeve::test
