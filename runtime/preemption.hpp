// Preemption explained: why slices ended, where, and how long everything took.
//
// Idea. The runtime keeps a ledger of its own interventions (sched/ledger.hpp). A slice ends because somebody waits: the
// processor is handed over by the thread itself, in its signal handler; taken without asking from a thread that sleeps in
// the kernel or does not answer; or given up at the next exit of the runtime. A thread that lost its processor is parked
// where it stands, unless that would hurt others: a refusal, which has a reason and a place.
//
// stats().preemption has the figures. preemption_table() and preemption_profile() add the functions: which code used up its
// slices, and which code could not be stopped. Also in SIGQUIT's dump and, from outside, by `reeve-prof PID --ledger`.
//
// Both print what was recorded since run() began, read while everything runs; nothing outside run(). They do not park,
// allocate, and read the symbol tables of the program's files: not signal-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/base/histogram.hpp"

// Why a thread was not parked. X(name, in words)
#define REEVE_REFUSALS(X)                                      \
    X(library, "in a library")                                 \
    X(library_caller, "called from a library")                 \
    X(system_call, "behind a system call instruction")         \
    X(foreign_stack, "on a stack that is not its fiber's")     \
    X(os_lock, "holding a lock of the operating system")

namespace reeve {

enum class Refusal : std::uint8_t {
#define REEVE_REFUSAL_NAME(name, what) name,
    REEVE_REFUSALS(REEVE_REFUSAL_NAME)
#undef REEVE_REFUSAL_NAME
};

#define REEVE_REFUSAL_ONE(name, what) +1
inline constexpr std::size_t k_refusals = REEVE_REFUSALS(REEVE_REFUSAL_ONE);
#undef REEVE_REFUSAL_ONE

#define REEVE_REFUSAL_CASE(name, what) \
    case Refusal::name: return {#name, what};
struct RefusalWords {
    const char* name;  // "library", "library_caller", ...
    const char* text;  // "in a library", "called from a library", ...
};
[[nodiscard]] constexpr RefusalWords words_of(Refusal refusal) {
    switch (refusal) { REEVE_REFUSALS(REEVE_REFUSAL_CASE) }
    return {"?", "?"};
}
#undef REEVE_REFUSAL_CASE

struct PreemptionStats {
    std::uint64_t handed_over = 0;       // slices ended by the thread itself, in its signal handler
    std::uint64_t taken_blocked = 0;     // processors taken from threads that did not compute: they slept in the kernel
    std::uint64_t taken_unanswered = 0;  // and from threads that computed and did not answer the signal
    std::uint64_t yielded = 0;           // slices ended at an exit of the runtime
    std::uint64_t parked = 0;            // threads that were stopped and have gone on since
    std::array<std::uint64_t, k_refusals> refusals{};  // by reason: refused(Refusal::library)

    // How long slices lasted that ended because somebody waited, as the monitor saw them: from its first look at a slice,
    // if the slice began without reading a clock.
    Histogram slice;          // of code that computed: handed over, taken unanswered, yielded
    Histogram blocked_slice;  // of code that blocked, until its processor was taken
    Histogram parked_for;     // how long a stopped thread waited for its turn
    Histogram detached_for;   // how long a thread computed without a processor, until it was parked or stood in line
    Histogram blocked_for;    // the same for one whose processor was taken while it blocked: mostly time in the kernel

    [[nodiscard]] std::uint64_t refused(Refusal reason) const { return refusals[static_cast<std::size_t>(reason)]; }
    [[nodiscard]] std::uint64_t refused() const {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : refusals) sum += count;
        return sum;
    }
};

// For people: the figures and, of each kind, the `top` functions with the most events.
void preemption_table(int fd, std::size_t top = 10);

// For flame graph tools: "KIND;[REASON;]FUNCTION COUNT" per line, as in "handed_over;app::tokenize(...) 812" and
// "refused;library;malloc 17". Code without a symbol is "program+0x12ab" (for addr2line) or "[library.so]".
void preemption_profile(int fd);

}  // namespace reeve
