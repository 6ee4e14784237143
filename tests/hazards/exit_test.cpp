// The end of a process whose fibers do not end: stopped, computing without a processor, asleep in the kernel.
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

namespace {

void ends_well(const std::vector<std::string>& arguments) {
    // Statics are destroyed beside running threads: the order of things differs each time.
    for (int i = 0; i < (reeve::test::is_sanitized() ? 3 : 10); ++i) {
        std::vector<std::string> command{reeve::test::crash_program("exit_beside_hogs")};
        command.insert(command.end(), arguments.begin(), arguments.end());
        const reeve::test::ChildEnd end = reeve::test::run_child(command);
        INFO(end.err);
        CHECK_FALSE(end.timed_out);
        CHECK(end.signal == 0);
        CHECK(end.exit_status == 7);
        CHECK(end.out == "destroyed\n");
    }
}

}  // namespace

TEST_CASE("exit: exit() from a fiber, while others are stopped and compute", "[hazards][exit]") { ends_well({}); }

// Seen failing with a scheduler that is destroyed though fibers are left: threads used what was freed.
TEST_CASE("exit: main returns, and what could not be ended is abandoned", "[hazards][exit]") { ends_well({"return"}); }
