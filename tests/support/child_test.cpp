// Child: output, exit statuses, signals, limits.
#include "tests/support/child.hpp"

#include <signal.h>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using reeve::test::Child;
using reeve::test::ChildEnd;
using reeve::test::run_child;

TEST_CASE("child: both outputs and the exit status arrive", "[child]") {
    const ChildEnd end = run_child({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"});
    CHECK(end.out == "out\n");
    CHECK(end.err == "err\n");
    CHECK(end.exit_status == 7);
    CHECK(end.signal == 0);
    CHECK_FALSE(end.timed_out);
}

TEST_CASE("child: a signal is told apart from an exit", "[child]") {
    const ChildEnd end = run_child({"/bin/sh", "-c", "kill -ABRT $$"});
    CHECK(end.signal == SIGABRT);
    CHECK(end.exit_status == -1);
}

TEST_CASE("child: one that does not end is killed at the limit", "[child]") {
    const ChildEnd end = run_child({"/bin/sh", "-c", "echo begun; exec sleep 60"}, {}, 200ms);
    CHECK(end.timed_out);
    CHECK(end.signal == SIGKILL);
    CHECK(end.out == "begun\n");
}

TEST_CASE("child: the environment is ours and what was added", "[child]") {
    const ChildEnd end = run_child({"/bin/sh", "-c", "echo \"$COLOUR $PATH\""}, {"COLOUR=green"});
    CHECK(end.out.starts_with("green /"));
}

TEST_CASE("child: a text can be waited for, then a signal ends it", "[child]") {
    Child child({"/bin/sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done"});
    REQUIRE(child.wait_for_text("ready"));
    child.send_signal(SIGTERM);
    const ChildEnd& end = child.wait();
    CHECK(end.exit_status == 3);
    CHECK(end.out == "ready\nbye\n");
}

TEST_CASE("child: more output than a pipe holds is all collected", "[child]") {
    const ChildEnd end = run_child({"/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"});
    CHECK(end.out.size() == 1'000'000);
}
