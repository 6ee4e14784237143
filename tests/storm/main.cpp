// storm: everything at once, for as long as one likes. See storm.hpp.
//
//     storm                                60 seconds, a seed from the clock
//     storm --seconds 5 --seed 7
//     storm --only tls --workers 1         one kind of hog, beside the fibers that talk
//
// Prints one line at the end. Exit status 0: every count was exact; 1: not; 2: wrong arguments; 3: stuck (after a dump).
#include <dirent.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/storm/storm.hpp"
#include "tests/storm/talk.hpp"
#include "tests/storm/turns.hpp"
#include "tests/storm/watchdog.hpp"

using namespace std::chrono_literals;

namespace {

using namespace reeve::storm;

struct Options {
    double seconds = 60;
    std::uint64_t seed = static_cast<std::uint64_t>(reeve::now_ns()) % 1'000'000;
    unsigned workers = 4;
    unsigned quantum_us = 100;
    std::string_view only;  // hogs whose names begin with this
};

struct Talk {
    const char* name;
    void (*body)(Storm& storm, Team& team);
};

constexpr Talk k_talks[]{
    {"channels", talk_in_channels}, {"mutex counter", count_under_mutex}, {"sleepers", sleep_and_block},
    {"trees", grow_trees},          {"gather", gather_results},           {"echo", echo_over_tcp},
};

template <class T>
bool parse(std::string_view text, T& value) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool parse_options(int count, char** arguments, Options& options) {
    for (int i = 1; i < count; i += 2) {
        if (i + 1 == count) return false;
        const std::string_view name = arguments[i];
        const std::string_view value = arguments[i + 1];
        if (name == "--only")
            options.only = value;
        else if (!(name == "--seconds" && parse(value, options.seconds)) && !(name == "--seed" && parse(value, options.seed)) &&
                 !(name == "--workers" && parse(value, options.workers)) &&
                 !(name == "--quantum-us" && parse(value, options.quantum_us)))
            return false;
    }
    return true;
}

int open_descriptors() {
    int count = 0;
    if (DIR* folder = ::opendir("/proc/self/fd")) {
        while (::readdir(folder)) ++count;
        ::closedir(folder);
    }
    return count;
}

// A joined fiber may still be on its way out.
void wait_for_last_fiber(Storm& storm) {
    for (int i = 0; i < 5'000 && reeve::stats().live_fibers > 1; ++i) reeve::sleep_for(1ms);
    if (const std::uint64_t left = reeve::stats().live_fibers; left != 1) storm.fail("%" PRIu64 " fibers left", left - 1);
}

reeve::Stats blow(Storm& storm, Turns& turns, const std::vector<Team*>& talkers, double seconds) {
    std::vector<reeve::Join<void>> joins;
    for (std::size_t i = 0; i < talkers.size(); ++i) {
        Team& team = *talkers[i];
        ++team.fibers;
        joins.push_back(reeve::spawn({.name = team.name}, [&storm, &team, body = k_talks[i].body] {
            body(storm, team);
            --team.fibers;
        }));
    }
    turns.start(joins);
    reeve::sleep_for(std::chrono::duration<double>(seconds));
    storm.end();
    for (auto& join : joins) join.join();
    turns.finish();
    wait_for_last_fiber(storm);
    return reeve::stats();
}

void print_line(Storm& storm, const Options& options, double took_seconds, const reeve::Stats& stats) {
    std::printf("storm: %.1f s, seed %" PRIu64 ":", took_seconds, options.seed);
    for (const Team& team : storm.teams()) std::printf(" %s %" PRIu64 ",", team.name.c_str(), team.steps.load());
    std::printf(" %" PRIu64 " preemptions (%" PRIu64 " signals, %" PRIu64 " refused), %" PRIu64 " threads, %" PRIu64 " errors\n",
                stats.processors_taken, stats.preempt_signals, stats.preempt_refusals, stats.threads, storm.errors());
}

}  // namespace

int main(int count, char** arguments) {
    Options options;
    if (!parse_options(count, arguments, options)) {
        std::fputs("usage: storm [--seconds S] [--seed N] [--only KIND] [--workers N] [--quantum-us N]\n", stderr);
        return 2;
    }
    // At once: a storm that crashes must still say which one it was.
    std::fprintf(stderr, "storm: seed %" PRIu64 "\n", options.seed);
    Storm storm(options.seed);
    std::vector<Team*> talkers;
    for (const Talk& talk : k_talks) talkers.push_back(&storm.add_team(talk.name));
    Turns turns(storm, options.only);
    const int descriptors = open_descriptors();
    const std::int64_t from_ns = reeve::now_ns();
    reeve::Config config = reeve::Config::from_env();
    config.workers = options.workers;
    config.quantum = std::chrono::microseconds(options.quantum_us);
    reeve::Stats stats;
    {
        const Watchdog watchdog(storm, options.seconds);
        reeve::run(config, [&] { stats = blow(storm, turns, talkers, options.seconds); });
    }
    if (const int left = open_descriptors(); left != descriptors)
        storm.fail("%d open descriptors, %d before", left, descriptors);
    if (::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD) storm.fail("a child process is left");
    print_line(storm, options, static_cast<double>(reeve::now_ns() - from_ns) / 1e9, stats);
    return storm.errors() == 0 ? 0 : 1;
}
