// reeve-prof --ledger: another process's preemption ledger, with names, and what it says when there is none.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using reeve::test::Child;
using reeve::test::ChildEnd;
using reeve::test::crash_program;
using reeve::test::program;
using reeve::test::run_child;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("prof: the ledger of a running process names the function whose slices expire", "[prof]") {
    // Seen failing with the pointer taken for the ledger itself: "of another version".
    if (reeve::test::is_thread_sanitized()) {
        WARN("left out under ThreadSanitizer: it keeps signals back until a call it knows");
        return;
    }
    std::string folder = (std::filesystem::temp_directory_path() / "reeve-prof-XXXXXX").string();
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    // Three fibers that compute share one processor: sooner or later one is seen in the function that takes 95 % of the
    // time. A new process each few looks, because fibers that lost their processor may all go on without one, on a machine
    // that gives them little of its CPUs.
    ChildEnd prof;
    for (int i = 0; i < 50 && !has(prof.out, "planted_hot_function"); ++i) {
        Child target({crash_program("hot_fiber")}, {"REEVE_WORKERS=1"});
        REQUIRE(target.wait_for_text("ready"));
        for (int look = 0; look < 10 && !has(prof.out, "planted_hot_function"); ++look) {
            prof = run_child({program("reeve-prof"), std::to_string(target.pid()), "--ledger", "--out", folder});
            if (has(prof.err, "not permitted")) {
                WARN("skipped: this system does not let a process trace another: " << prof.err);
                return;
            }
            REQUIRE(prof.exit_status == 0);
        }
    }
    INFO(prof.out << prof.err);
    CHECK(has(prof.out, "reeve: preemption: slices handed over "));
    CHECK(has(prof.out, "  planted_hot_function\n"));
    std::ifstream file(folder + "/ledger.folded");
    const std::string folded{std::istreambuf_iterator<char>(file), {}};
    CHECK((has(folded, "handed_over;planted_hot_function ") || has(folded, "parked;planted_hot_function ")));
    std::filesystem::remove_all(folder);
}

TEST_CASE("prof: a process without a ledger is said to have none", "[prof]") {
    const Child target({"/bin/sleep", "60"});
    const ChildEnd prof = run_child({program("reeve-prof"), std::to_string(target.pid()), "--ledger"});
    CHECK(prof.exit_status == 1);
    CHECK((has(prof.err, "has no preemption ledger") || has(prof.err, "not permitted")));
}
