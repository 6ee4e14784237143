// reeve-starve as a whole, short: cooperative fibers and the pool starve beside enough hogs, preemptive
// fibers do not.
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "apps/starve/hogs.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using reeve::test::ChildEnd;
using reeve::test::program;
using reeve::test::run_child;

namespace {

struct Demonstrated {
    ChildEnd end;
    std::string page;
};

struct Size {
    const char* hogs = "6";
    const char* seconds = "0.5";
    const char* rate = "50";
};

Demonstrated demonstrate(const std::string& mode, const std::string& kind, const Size& size = {}) {
    const auto folder = std::filesystem::temp_directory_path() / ("reeve-starve-" + std::to_string(getpid()));
    Demonstrated result;
    result.end = run_child({program("reeve-starve"), "--mode", mode, "--kind", kind, "--hogs", size.hogs, "--seconds",
                            size.seconds, "--rate", size.rate, "--out", folder.string()});
    std::ifstream file(folder / "starve.html");
    result.page.assign(std::istreambuf_iterator<char>(file), {});
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return result;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("starve: a pool whose workers are all taken answers nobody", "[starve]") {
    const auto [end, page] = demonstrate("pool", "read");
    INFO(end.out << end.err);
    CHECK(end.exit_status == 0);
    CHECK(contains(end.out, "0 of 0 hogs running, 25 requests"));
    CHECK(contains(end.out, "5 of 6 hogs running, 25 requests"));
    CHECK(contains(end.out, "25 timed out"));
    CHECK(contains(page, "<svg "));
    CHECK(contains(page, "breaks with 6 hogs"));
}

TEST_CASE("starve: fibers that are not preempted answer nobody beside hogs", "[starve]") {
    const auto [end, page] = demonstrate("cooperative", "loop");
    INFO(end.out << end.err);
    CHECK(end.exit_status == 0);
    // The first hogs take all workers; how many of the others are even read is chance.
    CHECK(contains(end.out, " of 6 hogs running, 25 requests"));
    CHECK(contains(end.out, "25 timed out"));
    CHECK(contains(page, "breaks with 6 hogs"));
}

TEST_CASE("starve: preemptive fibers answer everybody beside hogs of any kind", "[starve]") {
    for (const auto& kind : reeve::starve::hog_kinds()) {
        const std::string name = kind.name;
        if (reeve::test::is_thread_sanitized() && name != "read" && name != "usleep") {
            WARN("hogs of the kind " << name << " left out: ThreadSanitizer delays the signals that stop them");
            continue;
        }
        const auto [end, page] = demonstrate("preemptive", name, {.seconds = "0.1", .rate = "200"});
        INFO(name << "\n" << end.out << end.err);
        CHECK(end.exit_status == 0);
        CHECK(contains(end.out, "6 of 6 hogs running, 20 requests"));
        CHECK_FALSE(contains(end.out, "20 timed out"));
        CHECK(contains(page, "keeps answering"));
        CHECK_FALSE(contains(end.err, "hog: "));  // what a hog that found something wrong prints
    }
}

TEST_CASE("starve: a thousand hogs are no more than one", "[starve]") {
    const auto [end, page] = demonstrate("preemptive", "read", {.hogs = "1000", .seconds = "0.1", .rate = "200"});
    INFO(end.out << end.err);
    CHECK(end.exit_status == 0);
    CHECK(contains(end.out, "1000 of 1000 hogs running, 20 requests"));
    CHECK(contains(page, "keeps answering"));
}

TEST_CASE("starve: the checksum of a turn depends on its seed and on nothing else", "[starve]") {
    for (const auto& kind : reeve::starve::hog_kinds()) {
        INFO(kind.name);
        const std::uint64_t checksum = kind.turn(8);
        CHECK(kind.turn(8) == checksum);
        CHECK(kind.turn(9) != checksum);
    }
}

TEST_CASE("starve: arguments that make no sense print the usage", "[starve]") {
    for (const auto& arguments :
         {std::vector<std::string>{"--kind", "cow"}, {"--hogs", "0"}, {"--hogs", "1001"}, {"--seconds"}, {"--nonsense", "1"}}) {
        std::vector<std::string> line{program("reeve-starve")};
        line.insert(line.end(), arguments.begin(), arguments.end());
        const ChildEnd end = run_child(line);
        CHECK(end.exit_status == 2);
        CHECK(end.err.starts_with("usage: reeve-starve"));
    }
}
