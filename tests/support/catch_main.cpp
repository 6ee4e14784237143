// main() of every Catch2 test program, and the tally that lets `tools/dev test` count cases over all programs.
//
// With REEVE_TEST_RESULTS=DIR each finished case is appended to DIR/PROGRAM as "pass NAME" or "fail NAME" at once, so
// that a program that dies in the middle still leaves what it has shown. What a case says it leaves out (a WARN with the words
// "left out") is told, too: "skip NAME: REASON" for one that checked nothing else, "part NAME: REASON" besides the "pass".
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_RUNNER
#endif
#include "tests/support/catch.hpp"

#include <errno.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

namespace {

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
using Heard = void;
const std::string& name_of(const Catch::TestCaseStats& stats) { return stats.testInfo->name; }
#else
using ListenerBase = Catch::TestEventListenerBase;
using Heard = bool;
const std::string& name_of(const Catch::TestCaseStats& stats) { return stats.testInfo.name; }
#endif

class Tally : public ListenerBase {
public:
    using ListenerBase::ListenerBase;

    Heard assertionEnded(const Catch::AssertionStats& stats) override {
        const Catch::AssertionResult& result = stats.assertionResult;
        if (result.getResultType() == Catch::ResultWas::Warning) {
            const std::string text(result.getMessage().data(), result.getMessage().size());
            if (text.find("left out") != std::string::npos) left_out_.insert(text);
        }
        return Heard();
    }

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        const std::set<std::string> left_out = std::move(left_out_);
        left_out_.clear();
        const char* folder = std::getenv("REEVE_TEST_RESULTS");
        if (!folder) return;
        const std::string path = std::string(folder) + "/" + program_invocation_short_name;
        std::FILE* file = std::fopen(path.c_str(), "ae");
        if (!file) return;
        const bool has_passed = stats.totals.assertions.failed == 0 && stats.totals.testCases.failed == 0;
        const bool is_skipped = has_passed && !left_out.empty() && stats.totals.assertions.passed == 0;
        std::string reasons;
        for (const std::string& reason : left_out) reasons += (reasons.empty() ? ": " : "; ") + reason;
        std::string lines;
        if (!is_skipped) lines = (has_passed ? "pass " : "fail ") + name_of(stats) + "\n";
        if (!left_out.empty()) lines += (is_skipped ? "skip " : "part ") + name_of(stats) + reasons + "\n";
        std::fputs(lines.c_str(), file);
        std::fclose(file);
    }

private:
    std::set<std::string> left_out_;  // by the case that runs
};

CATCH_REGISTER_LISTENER(Tally)

}  // namespace

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);
    return Catch::Session().run(argc, argv);
}
