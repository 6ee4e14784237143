// Which engine carries I/O, and why: in child programs to which a seccomp filter denies io_uring.
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;

namespace {

reeve::test::ChildEnd run_without(std::vector<std::string> words, const std::string& engine = "automatic") {
    words.insert(words.begin(), reeve::test::crash_program("without_io_uring"));
    return reeve::test::run_child(std::move(words), {"REEVE_IO=" + engine}, 60s);
}

bool says(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("engine: where io_uring is refused epoll does all of it, and says why when asked", "[engine]") {
    struct Case {
        std::vector<std::string> words;
        int error;
    };
    const std::vector<Case> cases{
        {{"EPERM"}, EPERM},
        {{"ENOSYS"}, ENOSYS},
        {{"ENOMEM", "io_uring_setup"}, ENOMEM},
        {{"EPERM", "io_uring_enter"}, EPERM},
        {{"EPERM", "io_uring_register"}, EPERM},
        {{"EPERM", "io_uring_setup", "epoll_pwait2"}, EPERM},
        {{"ENOSYS", "io_uring_setup", "epoll_pwait2", "preadv2"}, ENOSYS},
    };
    for (const Case& one : cases) {
        const reeve::test::ChildEnd end = run_without(one.words);
        INFO(one.words.front() << " " << one.words.back() << ": " << end.out << end.err);
        CHECK_FALSE(end.timed_out);
        CHECK(end.exit_status == 0);
        CHECK(says(end.out, "epoll " + std::to_string(one.error) + "\n"));
        CHECK(says(end.out, "fibers; I/O by epoll, since io_uring is refused (errno " + std::to_string(one.error)));
        CHECK(end.err.empty());  // no message: the program does the same as ever
    }
}

TEST_CASE("engine: io_uring that is demanded and refused ends the process, with advice", "[engine]") {
    const reeve::test::ChildEnd end = run_without({"EPERM"}, "io_uring");
    INFO(end.out << end.err);
    CHECK(end.signal == SIGABRT);
    CHECK(says(end.err, "io_uring is demanded (Config::io, REEVE_IO) and refused (errno 1, Operation not permitted)"));
    CHECK(says(end.err, "`automatic` epoll takes its place"));
}

TEST_CASE("engine: epoll by choice, in the configuration as in the environment", "[engine]") {
    reeve::test::run_everywhere(
        [] {
            REEVE_EXPECT(std::string(reeve::stats().io_engine) == "epoll");
            REEVE_EXPECT(reeve::stats().io_uring_refusal == 0);
            REEVE_EXPECT(reeve::sleep_for(1ms));
        },
        [](reeve::Config& config) { config.io = reeve::Io::epoll; });
    const reeve::test::ChildEnd end = run_without({"EPERM"}, "epoll");
    INFO(end.out << end.err);
    CHECK(end.exit_status == 0);
    CHECK(says(end.out, "fibers; I/O by epoll, as configured"));
}
