#include "tests/storm/watchdog.hpp"

#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "apps/starve/hogs/work.hpp"
#include "runtime/stats.hpp"

namespace reeve::storm {
namespace {

constexpr std::chrono::milliseconds k_tick(100);
constexpr unsigned k_ticks_per_s = 10;
// A loaded machine and a sanitizer are slow, but not that slow.
constexpr unsigned k_patience = starve::hogs::k_slowness > 1 ? 3 : 1;
constexpr unsigned k_stuck_seconds = 20 * k_patience;
// Starting, the last turns of all fibers, and joining them.
constexpr double k_more_seconds = 120 * k_patience;

[[noreturn]] void give_up(const Storm& storm, const char* why, const char* team) {
    std::fprintf(stderr, "storm: seed %" PRIu64 ": %s %s; all fibers follow\n", storm.seed(), why, team);
    ::alarm(20);  // in case the dump hangs, too
    reeve::dump(STDERR_FILENO);
    ::_exit(3);
}

}  // namespace

Watchdog::Watchdog(Storm& storm, double seconds) : storm_(storm), thread_([this, seconds] { watch(seconds); }) {}

Watchdog::~Watchdog() {
    is_done_ = true;
    thread_.join();
}

void Watchdog::watch(double seconds) {
    struct Seen {
        std::uint64_t steps = 0;
        unsigned ticks = 0;  // since it made its last step
    };
    std::vector<Seen> seen(storm_.teams().size());
    const auto ticks_max = static_cast<unsigned>((seconds + k_more_seconds) * k_ticks_per_s);
    for (unsigned ticks = 0; !is_done_; ++ticks) {
        std::this_thread::sleep_for(k_tick);
        if (ticks > ticks_max) give_up(storm_, "no end, long after", "its time");
        for (std::size_t i = 0; i < seen.size(); ++i) {
            const Team& team = storm_.teams()[i];
            const std::uint64_t steps = team.steps;
            if (steps != seen[i].steps || team.fibers == 0) seen[i] = {steps, 0};
            if (++seen[i].ticks > k_stuck_seconds * k_ticks_per_s) give_up(storm_, "no step for long by team", team.name.c_str());
        }
    }
}

}  // namespace reeve::storm
