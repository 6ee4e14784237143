// REEVE_TEST: a test case whose body runs on fibers, once each with 1, 2 and 4 workers.
//
//     REEVE_TEST("channel: close wakes every waiting receiver", "[channel]") {
//         ...
//         REEVE_EXPECT(channel.recv().error() == reeve::Errc::closed);
//     }
//
// The body is the main fiber of a run() of its own. Catch2's macros are not thread-safe and throw, so inside it only
// REEVE_EXPECT counts: an atomic tally, callable from any fiber or thread, reported through Catch2 on the test's own
// thread after run() has returned. It yields the truth of its condition: `if (!REEVE_EXPECT(stream)) return;`.
//
// Each run also fails when it leaves descriptors open, and ends the process (exit status 3, after a dump of all
// fibers) when it outlives its deadline: a hanging test must say where it hangs.
#pragma once

#include <functional>

#include "tests/support/catch.hpp"

namespace reeve {
struct Config;
}

namespace reeve::test {

// Runs `body` as the main fiber with 1, 2 and 4 workers (REEVE_TEST_WORKERS=N: with N only); `adjust` may change the
// configuration, which starts from the environment. For a TEST_CASE that needs more than REEVE_TEST gives. Not from
// inside a fiber.
void run_everywhere(const std::function<void()>& body, const std::function<void(Config&)>& adjust = {});

// The body leaves something out, and why: told with the results. Any thread, any fiber; `reason` is a string constant.
void leave_out(const char* reason);

// How many workers the current run has. Any thread.
[[nodiscard]] unsigned workers();

// True when built with the sanitizers that slow everything down: for sizes and counts, never to leave checks out.
[[nodiscard]] constexpr bool is_sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

// True when built with ThreadSanitizer, which delays signals: what needs a prompt signal says in its output that it
// leaves it out.
[[nodiscard]] constexpr bool is_thread_sanitized() {
#ifdef __SANITIZE_THREAD__
    return true;
#else
    return false;
#endif
}

// Behind REEVE_EXPECT. Any thread, any fiber; does not park. Returns `holds`.
bool expect(bool holds, const char* file, int line, const char* expression);

}  // namespace reeve::test

#define REEVE_EXPECT(...) ::reeve::test::expect(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__)

#define REEVE_TEST_JOIN_2(a, b) a##b
#define REEVE_TEST_JOIN(a, b) REEVE_TEST_JOIN_2(a, b)
#define REEVE_TEST_AS(body, ...)                                      \
    static void body();                                               \
    TEST_CASE(__VA_ARGS__) { ::reeve::test::run_everywhere(&(body)); } \
    static void body()
#define REEVE_TEST(...) REEVE_TEST_AS(REEVE_TEST_JOIN(reeve_test_body_, __LINE__), __VA_ARGS__)
