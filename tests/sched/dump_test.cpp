// What the dump makes of a fiber that is not where it was any more.
#include "runtime/sched/dump.hpp"

#include <array>
#include <cstddef>
#include <string>

#include "runtime/sched/fiber.hpp"
#include "tests/support/catch.hpp"

using reeve::sched::Fiber;
using reeve::sched::Phase;
using reeve::sched::StackHead;

// Seen failing with a walk that takes the null for a frame; UndefinedBehaviorSanitizer ended the program, too.
TEST_CASE("dump: where a fiber was left, it may have put zeros since: no frame", "[dump]") {
    alignas(64) std::array<std::byte, 4096> memory{};
    StackHead head{};
    head.stack = {memory.data(), memory.data() + memory.size()};
    head.frames_top = head.stack.top;
    Fiber fiber;
    fiber.phase = Phase::parked;
    fiber.head = &head;
    fiber.side.saved = memory.data() + memory.size() / 2;
    std::string text;
    reeve::sched::append_backtrace(text, fiber);
    CHECK(text.empty());
}
