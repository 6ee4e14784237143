// main() of every Catch2 test program, and the tally that lets `tools/dev test` count cases over all programs.
//
// With REEVE_TEST_RESULTS=DIR each finished case is appended to DIR/PROGRAM as "pass NAME" or "fail NAME" at once, so
// that a program that dies in the middle still leaves what it has shown.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_RUNNER
#endif
#include "tests/support/catch.hpp"

#include <errno.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

namespace {

class Tally : public ListenerBase {
public:
    using ListenerBase::ListenerBase;

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        const char* folder = std::getenv("REEVE_TEST_RESULTS");
        if (!folder) return;
        const std::string path = std::string(folder) + "/" + program_invocation_short_name;
        if (std::FILE* file = std::fopen(path.c_str(), "ae")) {
            const bool passed = stats.totals.assertions.failed == 0 && stats.totals.testCases.failed == 0;
            const std::string line = (passed ? "pass " : "fail ") + stats.testInfo
#if __has_include(<catch2/catch_all.hpp>)
                ->
#else
                .
#endif
                name + "\n";
            std::fputs(line.c_str(), file);
            std::fclose(file);
        }
    }
};

CATCH_REGISTER_LISTENER(Tally)

}  // namespace

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);
    return Catch::Session().run(argc, argv);
}
