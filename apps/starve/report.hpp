// Report: what was measured, as a table for the terminal, an SVG chart and an HTML page.
//
// The page needs nothing but itself: the chart is inline, colours follow the viewer's light or dark setting,
// and every sentence is derived from the numbers, so it also tells the truth about a run that went another
// way.
#pragma once

#include <string>

#include "apps/starve/results.hpp"

namespace reeve::starve {

[[nodiscard]] std::string as_table(const Demonstration& demonstration);

// One line: "16 of 16 hogs running, 600 requests: p50 0.3 ms, p99 1.1 ms, max 3 ms, 0 timed out".
[[nodiscard]] std::string as_line(const Run& run, std::int64_t timeout_ns);

// "0.31 ms", "42 ms", "1.2 s", or "> 2 s" when the timeout was reached.
[[nodiscard]] std::string latency_text(std::int64_t ns, std::int64_t timeout_ns);

// Empty, or a warning that the machine was busy before the first server was started.
[[nodiscard]] std::string busy_note(const Demonstration& demonstration);

[[nodiscard]] std::string as_html(const Demonstration& demonstration);

}  // namespace reeve::starve
