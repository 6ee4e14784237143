// The processor is lost at every single instruction of the runtime's entries and exits, in every way there is.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>

#include "tests/step/sweep.hpp"
#include "tests/step/tracee.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using reeve::step::Sweep;
using reeve::step::Swept;
using reeve::step::Tracee;
using reeve::step::Way;

namespace {

constexpr const char* k_sections[] = {"compute",  "no preempt", "yield",   "mutex",  "contended mutex", "channel",
                                      "rendezvous", "spawn",    "blocking", "sleep",  "pinned",          "exception"};
constexpr const char* k_ways[] = {"handed over", "taken", "unanswered", "detached", "in the handler", "overdue"};

// REEVE_STEP_SECTION=NAME: that one only.
bool is_wanted(const char* section) {
    const char* wanted = std::getenv("REEVE_STEP_SECTION");
    return !wanted || std::strcmp(wanted, section) == 0;
}

void sweep_all(unsigned stride) {
    if (reeve::test::is_sanitized()) {
        WARN("left out: under a sanitizer most of the instructions are the sanitizer's");
        return;
    }
    for (std::size_t section = 0; section < std::size(k_sections); ++section) {
        if (!is_wanted(k_sections[section])) continue;
        for (std::size_t way = 0; way < std::size(k_ways); ++way) {
            // Elsewhere the instructions are those of the section first.
            if (static_cast<Way>(way) == Way::in_handler && section != 0) continue;
            const auto tracee = Tracee::start(reeve::test::crash_program("stepped"));
            if (!tracee) {
                WARN("left out: this system does not let a process trace its child (ptrace)");
                return;
            }
            Sweep sweep(*tracee);
            INFO("section '" << k_sections[section] << "', processor " << k_ways[way]);
            const auto before = std::chrono::steady_clock::now();
            Swept swept;
            auto failure = sweep.begin();
            if (!failure) failure = sweep.run(section, static_cast<Way>(way), stride, swept);
            if (!failure) failure = sweep.end();
            CHECK(failure.value_or("") == "");
            if (static_cast<Way>(way) != Way::overdue) CHECK(swept.lost > 0);
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
            std::printf("%-16s %-15s %5zu instructions, %5zu rounds, %4zu missed, %5zu lost, %5zu held, %.2f s\n",
                        k_sections[section], k_ways[way], swept.instructions, swept.rounds, swept.missed, swept.lost, swept.held,
                        took.count());
        }
    }
}

}  // namespace

// Seen failing with the depth raised after the claim in Worker::enter (a signal between a claim that failed and attach():
// nothing happens any more, in 20 of the 61 sweeps) and with the depth lowered first in Worker::detach.
TEST_CASE("step: the processor may be lost at any instruction (every 23rd)", "[step]") { sweep_all(23); }

TEST_CASE("step: the processor may be lost at any instruction (all of them)", "[.][full]") { sweep_all(1); }
