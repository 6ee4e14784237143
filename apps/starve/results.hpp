// What one run of the demonstration is and what it measures; plain values, shared by the client and the
// report.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::starve {

enum class Mode { cooperative, pool, preemptive };

inline constexpr std::array k_modes{Mode::cooperative, Mode::pool, Mode::preemptive};

inline constexpr unsigned k_reeve_workers = 2;
inline constexpr unsigned k_pool_workers = 5;  // what PHP-FPM starts with

struct ModeText {
    const char* word;     // on the command line and in the table
    const char* title;    // in the report
    const char* details;  // what runs there
};

[[nodiscard]] constexpr ModeText text_of(Mode mode) {
    switch (mode) {
        case Mode::cooperative:
            return {"cooperative", "Cooperative fibers", "reeve, preemption off, 2 workers"};
        case Mode::pool:
            return {"pool", "Worker pool", "5 blocking threads, as PHP-FPM"};
        case Mode::preemptive:
            return {"preemptive", "Preemptive fibers", "reeve as it comes, 2 workers"};
    }
    return {"", "", ""};
}

// The latencies of one run, from the scheduled send time. A request that timed out counts with the timeout,
// so that a percentile which reaches the timeout means: not answered.
struct Run {
    unsigned hogs = 0;
    unsigned hogs_started = 0;  // a mode that is wedged never starts the rest
    unsigned requests = 0;
    unsigned timeouts = 0;
    unsigned errors = 0;  // refused or broken connections; they count as timeouts in the percentiles
    std::int64_t p50_ns = 0;
    std::int64_t p99_ns = 0;
    std::int64_t max_ns = 0;
};

struct ModeRuns {
    Mode mode = Mode::cooperative;
    std::vector<Run> runs;
};

struct Demonstration {
    std::string kind;  // of the hogs
    std::string kind_details;
    unsigned rate = 0;   // requests per second
    double seconds = 0;  // per run
    std::int64_t timeout_ns = 0;
    unsigned cpus = 0;
    double load_before = 0;  // the machine's load average before the first run: what others were doing
    std::vector<ModeRuns> modes;
};

}  // namespace reeve::starve
