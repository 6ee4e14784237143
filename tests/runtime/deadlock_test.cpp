// A program whose fibers all wait for each other ends with a report, and no other does. One child each: tests/crash/deadlock.cpp.
#include <csignal>
#include <string>
#include <vector>

#include "runtime/config.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using reeve::test::ChildEnd;
using reeve::test::crash_program;
using reeve::test::run_child;

namespace {

constexpr const char* k_verdict = "all fibers wait for each other: deadlock";

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
    return count;
}

// ThreadSanitizer runs a thread of its own, which the check takes for one of the program's.
bool can_tell() {
    if (!reeve::test::is_thread_sanitized()) return true;
    WARN("left out under ThreadSanitizer: with its thread in the process nothing is said");
    return false;
}

void is_deadlock(const char* kind, const std::vector<const char*>& words) {
    for (const char* workers : {"REEVE_WORKERS=1", "REEVE_WORKERS=2", "REEVE_WORKERS=4"}) {
        for (const char* preemption : {"REEVE_PREEMPTION=on", "REEVE_PREEMPTION=off"}) {
            const ChildEnd end = run_child({crash_program("deadlock"), kind}, {workers, preemption});
            INFO(kind << ", " << workers << ", " << preemption << ": " << end.err);
            CHECK(end.exit_status == reeve::k_deadlock_exit_status);
            CHECK(count_of(end.err, k_verdict) == 1);
            for (const char* word : words) CHECK(count_of(end.err, word) != 0);
        }
    }
}

void is_none(const char* kind) {
    for (const char* workers : {"REEVE_WORKERS=1", "REEVE_WORKERS=2"}) {
        const ChildEnd end = run_child({crash_program("deadlock"), kind}, {workers});
        INFO(kind << ", " << workers << ": " << end.err);
        CHECK(end.exit_status == 0);
        CHECK(count_of(end.err, "deadlock") == 0);
    }
}

}  // namespace

// Seen failing, killed by SIGALRM, with the monitor not asking; "pinned" alone, with fibers that keep their thread not taken for
// parked; "after-work" alone, with the kernel's threads taken for the program's.
TEST_CASE("deadlock: every fiber is named with what it waits for, and the exit status tells", "[crash][deadlock]") {
    if (!can_tell()) return;
    is_deadlock("channel", {"'main' parked in channel recv"});
    is_deadlock("mutex", {"'left' parked in mutex", "'right' parked in mutex", "'main' parked in join"});
    is_deadlock("join-cycle", {"'left' parked in join", "'right' parked in join"});
    is_deadlock("pinned", {"'main' parked in channel recv"});
    is_deadlock("after-work", {"'main' parked in channel recv"});
}

// Seen failing, each with exit status 35, with what it is about left out of the check: timers; fibers that are not parked
// (and those with a thread); threads; requests in flight; handlers.
TEST_CASE("deadlock: nothing is said while something is left that may wake a fiber", "[crash][deadlock]") {
    is_none("sleeper");
    is_none("blocking");
    is_none("system-call");
    is_none("thread");
    is_none("socket");
    is_none("listener");
    if (reeve::test::is_thread_sanitized())
        WARN("a signal is left out under ThreadSanitizer, which keeps it back from the thread that waits for run() to end");
    else
        is_none("signal-channel");
    is_none("handler");
    is_none("main-returns");
}

// Seen failing, with exit status 35, with timers, or threads, left out of the check. With a quantum this short the runtime looks
// after a millisecond of quiet.
TEST_CASE("deadlock: nothing is said whatever wakes main, just when the runtime looks", "[crash][deadlock]") {
    for (const char* workers : {"REEVE_WORKERS=1", "REEVE_WORKERS=2", "REEVE_WORKERS=4"}) {
        const ChildEnd end = run_child({crash_program("deadlock"), "short-lives"}, {workers, "REEVE_QUANTUM_US=100"});
        INFO(workers << ": " << end.err);
        CHECK(end.exit_status == 0);
        CHECK(count_of(end.err, "deadlock") == 0);
    }
}

// Seen failing with the end of main not noted: exit status 35.
TEST_CASE("deadlock: what main leaves behind in a wait that cannot be cancelled is named, and is no deadlock", "[crash][deadlock]") {
    for (const char* workers : {"REEVE_WORKERS=1", "REEVE_WORKERS=2"}) {
        const ChildEnd end = run_child({crash_program("deadlock"), "main-leaves"}, {workers});
        INFO(workers << ": " << end.err);
        CHECK(end.exit_status == 0);
        CHECK(count_of(end.err, "did not end within the grace") == 1);
        CHECK(count_of(end.err, "'left' parked in mutex") == 1);
        CHECK(count_of(end.err, k_verdict) == 0);
    }
}

// Seen failing with `told_at_` left out: the line about the scheduler wakes the monitor, and each time it is told again.
TEST_CASE("deadlock: the report alone, once, or nothing", "[crash][deadlock]") {
    if (!can_tell()) return;
    for (const char* mode : {"REEVE_DEADLOCK=report", "REEVE_DEADLOCK=off"}) {
        const ChildEnd end = run_child({crash_program("deadlock"), "channel", "2"}, {mode, "REEVE_SCHEDTRACE=200"});
        INFO(mode << ": " << end.err);
        CHECK(end.signal == SIGALRM);
        CHECK(count_of(end.err, k_verdict) == (mode == std::string("REEVE_DEADLOCK=report") ? 1 : 0));
    }
}

// Seen failing with main's own fiber, which has just ended, counted.
TEST_CASE("deadlock: who waits still when main returns is told of, at length where that is wanted", "[crash][deadlock]") {
    for (const char* workers : {"REEVE_WORKERS=1", "REEVE_WORKERS=2"}) {
        for (const std::string mode : {"off", "summary", "all"}) {
            const ChildEnd end = run_child({crash_program("deadlock"), "main-returns"}, {workers, "REEVE_LEAKS=" + mode});
            INFO(workers << ", " << mode << ": " << end.err);
            CHECK(end.exit_status == 0);
            CHECK(count_of(end.err, "fibers still wait: ") == (mode == "off" ? 0 : 1));
            CHECK(count_of(end.err, "'left behind' in channel recv") == (mode == "off" ? 0 : 1));
            CHECK((count_of(end.err, "'left behind' parked in channel recv") != 0) == (mode == "all"));
        }
        const ChildEnd end = run_child({crash_program("deadlock"), "sleeper"}, {workers});
        CHECK(count_of(end.err, "still wait") == 0);
    }
}
