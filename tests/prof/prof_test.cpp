// reeve-prof as a whole: what it writes about a program with a planted hot function, and what it says when it
// cannot.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"

using namespace std::chrono_literals;
using reeve::test::Child;
using reeve::test::ChildEnd;
using reeve::test::crash_program;
using reeve::test::program;
using reeve::test::run_child;

namespace {

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "reeve-prof-XXXXXX").string();
        if (mkdtemp(name.data()) != nullptr) path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

struct Line {
    std::string stack;
    std::uint64_t us;
};

std::vector<Line> parse(const std::string& folded) {
    std::vector<Line> lines;
    std::istringstream in(folded);
    for (std::string line; std::getline(in, line);) {
        const auto space = line.rfind(' ');
        lines.push_back({line.substr(0, space), std::stoull(line.substr(space + 1))});
    }
    return lines;
}

std::string widest_leaf(const std::vector<Line>& lines) {
    std::map<std::string, std::uint64_t> sums;
    for (const Line& line : lines) sums[line.stack.substr(line.stack.rfind(';') + 1)] += line.us;
    const auto widest =
        std::max_element(sums.begin(), sums.end(), [](auto& a, auto& b) { return a.second < b.second; });
    return widest == sums.end() ? "" : widest->first;
}

}  // namespace

TEST_CASE("prof: a hot function in a fiber is the widest leaf, and its stack ends at the fiber's entry",
          "[prof]") {
    // Where the kernel may not take the samples, both are the same.
    const bool stop = GENERATE(false, true);
    Child target({crash_program("hot_fiber")}, {"REEVE_WORKERS=2"});
    REQUIRE(target.wait_for_text("ready"));
    const TemporaryFolder out;
    std::vector<std::string> line{
        program("reeve-prof"), std::to_string(target.pid()), "--seconds", "2", "--out", out.path().string()};
    if (stop) line.push_back("--stop");
    const ChildEnd prof = run_child(line);
    if (prof.err.find("not permitted") != std::string::npos) {
        WARN("skipped: this system does not let a process trace another: " << prof.err);
        return;
    }
    INFO(prof.out << prof.err);
    REQUIRE(prof.exit_status == 0);

    const auto lines = parse(contents(out.path() / "prof.folded"));
    CHECK(widest_leaf(lines) == "planted_hot_function");
    std::size_t in_handler = 0;
    for (const auto& [stack, us] : lines) {
        if (stack.find("planted_handler") == std::string::npos) continue;
        ++in_handler;
        INFO(stack);
        CHECK(stack.starts_with("reeve_fiber_entry;"));
    }
    CHECK(in_handler > 0);

    const std::string svg = contents(out.path() / "prof.svg");
    CHECK(svg.starts_with("<svg "));
    CHECK(svg.find("<title>planted_hot_function&#10;") != std::string::npos);
}

TEST_CASE("prof: the target goes on as before", "[prof]") {
    Child target(
        {"/bin/sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo counted $i; exit 7"});
    const TemporaryFolder out;
    const ChildEnd prof = run_child({program("reeve-prof"), std::to_string(target.pid()), "--seconds", "30",
                                     "--hz", "999", "--out", out.path().string()});
    // It ends with its target; what it saw is written.
    if (prof.exit_status == 0) {
        CHECK(std::filesystem::exists(out.path() / "prof.folded"));
    } else {
        WARN("the target had ended before, or tracing is not permitted: " << prof.err);
    }
    const ChildEnd& end = target.wait();
    CHECK(end.exit_status == 7);
    CHECK(end.out == "counted 200000\n");
}

TEST_CASE("prof: interrupted, it writes what it has", "[prof]") {
    Child target({crash_program("hot_fiber")});
    REQUIRE(target.wait_for_text("ready"));
    const TemporaryFolder out;
    Child prof({program("reeve-prof"), std::to_string(target.pid()), "--seconds", "600", "--out",
                out.path().string()});
    if (!prof.wait_for_text("watching")) {
        WARN("skipped: " << prof.err());
        return;
    }
    prof.send_signal(SIGINT);
    const ChildEnd& end = prof.wait();
    CHECK(end.exit_status == 0);
    CHECK(end.out.find("interrupted") != std::string::npos);
    CHECK(std::filesystem::exists(out.path() / "prof.svg"));
}

TEST_CASE("prof: a process that does not exist is named", "[prof]") {
    const ChildEnd end = run_child({program("reeve-prof"), "2147483646"});
    CHECK(end.exit_status == 1);
    CHECK(end.err == "reeve-prof: no process 2147483646\n");
}

TEST_CASE("prof: arguments that make no sense print the usage", "[prof]") {
    CHECK(run_child({program("reeve-prof")}).exit_status == 2);
    CHECK(run_child({program("reeve-prof"), "1", "--seconds", "soon"}).exit_status == 2);
    CHECK(run_child({program("reeve-prof"), "1", "--hz"}).exit_status == 2);
    CHECK(run_child({program("reeve-prof"), "one"}).err.starts_with("usage: reeve-prof PID"));
}
