// wakeups: rings of fibers and plain threads that wake each other by everything the runtime has, with deadlines and
// cancellations at random, at quantum 100 us. A wake-up that is lost leaves a ring without a step: the watchdog names it and the
// seed, and prints all fibers. What was passed on, taken and given back is counted by both sides.
//
//     wakeups                              60 seconds, in turns on 1, 2, 4 and 16 workers, a seed from the clock
//     wakeups --seconds 5 --seed 7
//     wakeups --alone yes                  one ring at a time
//     wakeups --only channel --workers 16
//
// Prints one line at the end. Exit status 0: every count was exact; 1: not; 2: wrong arguments; 3: stuck (after a dump).
//
// Seen failing (stuck, exit status 3) with Parker::wake() leaving its token a moment after it has woken.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <string_view>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/storm/watchdog.hpp"
#include "tests/wakeups/rings.hpp"

namespace {

using namespace reeve::storm;

constexpr std::array k_workers{1U, 2U, 4U, 16U};
constexpr double k_longest_round_s = 15;

struct Options {
    double seconds = 60;
    std::uint64_t seed = static_cast<std::uint64_t>(reeve::now_ns()) % 1'000'000;
    unsigned workers = 0;  // 0: all of k_workers
    unsigned quantum_us = 100;
    std::string_view only;  // rings whose names begin with this
    bool alone = false;
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
        else if (name == "--alone")
            options.alone = value == "yes";
        else if (!(name == "--seconds" && parse(value, options.seconds)) && !(name == "--seed" && parse(value, options.seed)) &&
                 !(name == "--workers" && parse(value, options.workers)) &&
                 !(name == "--quantum-us" && parse(value, options.quantum_us)))
            return false;
    }
    return true;
}

struct Total {
    std::uint64_t steps = 0;
    std::uint64_t parks = 0;
    std::uint64_t wakes = 0;  // of idle processors
    std::uint64_t preemptions = 0;
    std::uint64_t errors = 0;
    unsigned rounds = 0;
};

// The rings given, at once, on that many workers.
void blow(const Options& options, const std::vector<Ring>& rings, unsigned workers, double seconds, Total& total) {
    Storm storm(options.seed + total.rounds++);
    for (const Ring& ring : rings) storm.add_team(ring.name);
    reeve::Config config = reeve::Config::from_env();
    config.workers = workers;
    config.quantum = std::chrono::microseconds(options.quantum_us);
    const Watchdog watchdog(storm, seconds);
    reeve::run(config, [&] {
        std::vector<reeve::Join<void>> joins;
        for (std::size_t i = 0; i < rings.size(); ++i)
            joins.push_back(reeve::spawn({.name = "ring"}, [&, i] { rings[i].body(storm, storm.teams()[i]); }));
        reeve::sleep_for(std::chrono::duration<double>(seconds));
        storm.end();
        for (auto& join : joins) join.join();
        const reeve::Stats stats = reeve::stats();
        total.parks += stats.parks;
        total.wakes += stats.wakes;
        total.preemptions += stats.processors_taken;
    });
    for (const Team& team : storm.teams()) {
        total.steps += team.steps;
        if (team.steps == 0) storm.fail("no step by %s on %u workers", team.name.c_str(), workers);
    }
    if (storm.errors() != 0) std::fprintf(stderr, "wakeups: seed %" PRIu64 ", %u workers\n", storm.seed(), workers);
    total.errors += storm.errors();
}

}  // namespace

int main(int count, char** arguments) {
    Options options;
    if (!parse_options(count, arguments, options)) {
        std::fputs("usage: wakeups [--seconds S] [--seed N] [--only RING] [--alone yes] [--workers N] [--quantum-us N]\n", stderr);
        return 2;
    }
    std::fprintf(stderr, "wakeups: seed %" PRIu64 "\n", options.seed);
    std::vector<std::vector<Ring>> sets(1);
    for (const Ring& ring : k_rings) {
        if (!std::string_view(ring.name).starts_with(options.only)) continue;
        if (options.alone && !sets.back().empty()) sets.emplace_back();
        sets.back().push_back(ring);
    }
    std::vector<unsigned> workers(k_workers.begin(), k_workers.end());
    if (options.workers != 0) workers = {options.workers};
    const double each_s = std::min(options.seconds / static_cast<double>(sets.size() * workers.size()), k_longest_round_s);
    Total total;
    const std::int64_t from_ns = reeve::now_ns();
    const auto took_s = [&] { return static_cast<double>(reeve::now_ns() - from_ns) / 1e9; };
    do {
        for (const auto& rings : sets)
            for (const unsigned number : workers) blow(options, rings, number, each_s, total);
    } while (total.errors == 0 && took_s() + each_s < options.seconds);
    std::printf("wakeups: %.1f s, seed %" PRIu64 ", %u rounds: %" PRIu64 " steps, %" PRIu64 " parks, %" PRIu64
                " sleepers woken, %" PRIu64 " preemptions, %" PRIu64 " errors\n",
                took_s(), options.seed, total.rounds, total.steps, total.parks, total.wakes, total.preemptions, total.errors);
    return total.errors == 0 ? 0 : 1;
}
