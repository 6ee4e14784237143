// Programs that are stopped, looked into or left alone from outside: SIGSTOP and SIGCONT, a debugger, nobody.
//
// Seen from inside a stop is a jump in time during which nobody computed.
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/hazards/hogs.hpp"
#include "tests/support/child.hpp"

using namespace std::chrono_literals;
using reeve::test::Child;
using reeve::test::crash_program;

namespace {

struct Figures {
    long count = 0;
    long taken = 0;
    long signals = 0;
};

// The last whole line the program has printed.
Figures last_figures(const Child& child) {
    Figures figures;
    const std::string& out = child.out();
    const auto end = out.rfind('\n');
    if (end == std::string::npos || end == 0) return figures;
    const auto begin = out.rfind('\n', end - 1);
    const std::string line = out.substr(begin == std::string::npos ? 0 : begin + 1, end);
    (void)std::sscanf(line.c_str(), "%*s %ld taken %ld signals %ld", &figures.count, &figures.taken, &figures.signals);
    return figures;
}

void stop_for_a_while(const Child& child) {
    child.send_signal(SIGSTOP);
    int status = 0;
    REQUIRE(::waitpid(child.pid(), &status, WUNTRACED) == child.pid());
    REQUIRE(WIFSTOPPED(status));
    std::this_thread::sleep_for(200ms);  // how long it is stopped: many slices
    child.send_signal(SIGCONT);
}

// Waits until the program has printed `lines` more lines; false when it does not.
bool wait_for_lines(Child& child, int lines) {
    for (int i = 0; i < lines; ++i) {
        const long next = last_figures(child).count + 50;
        if (!child.wait_for_text("sent " + std::to_string(next) + " taken")) return false;
    }
    return true;
}

void ends_right(Child& child) {
    child.send_signal(SIGTERM);
    const auto& end = child.wait();
    INFO(end.out << end.err);
    CHECK_FALSE(end.timed_out);
    CHECK(end.exit_status == 0);
    CHECK(end.out.find("ended right") != std::string::npos);
}

// Of every thread, in the order of their ids, a line: how often it was switched to or from, and the CPU time it used.
std::vector<std::string> activity_of(pid_t process) {
    std::vector<std::string> activity;
    const std::string folder = "/proc/" + std::to_string(process) + "/task";
    DIR* threads = ::opendir(folder.c_str());
    if (!threads) return activity;
    while (const dirent* entry = ::readdir(threads)) {
        if (entry->d_name[0] == '.') continue;
        std::string& of_thread = activity.emplace_back(entry->d_name);
        std::ifstream status(folder + "/" + entry->d_name + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.find("ctxt_switches") != std::string::npos || line.starts_with("Name")) of_thread += "; " + line;
        std::ifstream times(folder + "/" + entry->d_name + "/schedstat");
        std::string run_ns;
        times >> run_ns;
        of_thread += "; ran for " + run_ns + " ns";
    }
    ::closedir(threads);
    std::sort(activity.begin(), activity.end());
    return activity;
}

bool has_debugger() { return std::system("gdb --version > /dev/null 2>&1") == 0; }

}  // namespace

TEST_CASE("attach: stopped and continued under load, it goes on where it was", "[hazards][attach]") {
    // Seen failing with a monitor that ends when its clock jumps.
    Child child({crash_program("hazard_load")}, {"REEVE_QUANTUM_US=1000"});
    REQUIRE(wait_for_lines(child, 3));
    for (int round = 0; round < 5; ++round) {
        stop_for_a_while(child);
        REQUIRE(wait_for_lines(child, 1));
    }
    ends_right(child);
}

TEST_CASE("attach: being stopped is not taken for sleeping", "[hazards][attach]") {
    // Seen failing with a monitor that takes a thread for a sleeper because its CPU clock stands still: after each stop both
    // processors were taken, though nobody waited.
    Child child({crash_program("hazard_load"), "alone"});
    REQUIRE(child.wait_for_text("stops 0 taken"));
    REQUIRE(child.wait_for_text("\n"));
    const Figures before = last_figures(child);
    for (int round = 0; round < 5; ++round) {
        stop_for_a_while(child);
        REQUIRE(child.wait_for_text("stops " + std::to_string(round + 1) + " taken"));
    }
    child.send_signal(SIGTERM);
    const auto& end = child.wait();
    const Figures after = last_figures(child);
    INFO(end.out);
    CHECK(end.exit_status == 0);
    CHECK(after.taken == before.taken);
    CHECK(after.signals == before.signals);
}

TEST_CASE("attach: a debugger looks at every thread and lets it go", "[hazards][attach]") {
    // Seen failing with SIGUSR1 for the preemption's signal: the debugger stopped at it.
    if (!has_debugger() || reeve::test::is_thread_sanitized()) {
        WARN("left out: there is no gdb here, or the build is one that gdb disturbs");
        return;
    }
    Child child({crash_program("hazard_load")});
    REQUIRE(wait_for_lines(child, 2));
    for (int round = 0; round < 2; ++round) {
        // Attach, look, go on for a moment with the debugger in between all signals, stop again, let go.
        const auto gdb = reeve::test::run_child(
            {"/usr/bin/env", "gdb", "-nx", "-q", "-batch", "-p", std::to_string(child.pid()), "-ex", "set pagination off", "-ex",
             "thread apply all bt 3", "-ex", "handle SIGINT stop nopass", "-ex",
             "python import threading, os, signal; threading.Timer(0.3, lambda: os.kill(" + std::to_string(child.pid()) +
                 ", signal.SIGINT)).start()",
             "-ex", "continue", "-ex", "detach"},
            {}, 60s);
        INFO(gdb.out << gdb.err);
        if (gdb.err.find("Operation not permitted") != std::string::npos) {
            WARN("left out: ptrace is not permitted here");
            return;
        }
        REQUIRE(gdb.exit_status == 0);
        CHECK(gdb.out.find("reeve-") != std::string::npos);
        CHECK(gdb.out.find("received signal SIGINT") != std::string::npos);
        // The runtime's own signals did not stop it.
        CHECK(gdb.out.find("SIGURG") == std::string::npos);
        REQUIRE(wait_for_lines(child, 3));
    }
    ends_right(child);
}

TEST_CASE("attach: with nothing to do it makes no system call and gets no signal", "[hazards][attach]") {
    // Seen failing with a monitor that never sleeps for good.
    if (reeve::test::is_thread_sanitized()) {
        WARN("left out under ThreadSanitizer: it has a thread that looks round all the time");
        return;
    }
    Child child({crash_program("hazard_idle")});
    REQUIRE(child.wait_for_text("ready"));
    // It settles first: the monitor looks for a while before it goes to sleep, too.
    auto before = activity_of(child.pid());
    for (int i = 0; i < 50; ++i) {
        std::this_thread::sleep_for(100ms);
        auto now = activity_of(child.pid());
        if (now == before) break;
        before = std::move(now);
    }
    REQUIRE(before.size() >= 3);
    std::this_thread::sleep_for(2s);  // the time that is looked at
    CHECK(activity_of(child.pid()) == before);
    child.send_signal(SIGKILL);
}

TEST_CASE("attach: a computing fiber for every worker and nobody waiting: no signal, no processor taken", "[hazards][attach]") {
    // Seen failing with a monitor that always finds somebody waiting.
    reeve::test::run_everywhere(
        [] {
            std::atomic<bool> stop{false};
            std::atomic<unsigned> begun{0};
            std::vector<reeve::Join<void>> others;
            for (unsigned i = 1; i < reeve::test::workers(); ++i)
                others.push_back(reeve::spawn([&] {
                    ++begun;
                    while (!stop.load(std::memory_order_relaxed)) {
                    }
                }));
            while (begun.load() + 1 < reeve::test::workers()) reeve::this_fiber::yield();
            const auto compute_for = [](std::int64_t ns) {
                const std::int64_t until = reeve::now_ns() + ns;
                while (reeve::now_ns() < until) {
                }
            };
            // Whoever was still searching for work finds that there is none: with more workers than CPUs that takes a while.
            reeve::Stats before = reeve::stats();
            for (std::uint64_t last = ~std::uint64_t{0}; before.preempt_signals != last;) {
                last = before.preempt_signals;
                compute_for(100'000'000);
                before = reeve::stats();
            }
            compute_for(500'000'000);
            const reeve::Stats after = reeve::stats();
            stop = true;
            REEVE_EXPECT(after.preempt_signals == before.preempt_signals);
            REEVE_EXPECT(after.processors_taken == before.processors_taken);
            REEVE_EXPECT(after.monitor_ticks > before.monitor_ticks);
        },
        reeve::test::short_slices);
}
