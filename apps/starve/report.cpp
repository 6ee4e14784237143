#include "apps/starve/report.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "apps/starve/chart.hpp"

namespace reeve::starve {
namespace {

// Slower answers are not painted as a success: this is where people begin to notice a machine.
constexpr std::int64_t k_good_ns = 100'000'000;

// With half of the CPUs taken by others, the tail is theirs.
constexpr double k_busy_share = 0.5;

template <class... Values>
std::string print(const char* format, Values... values) {
    char buffer[1024];
    const int bytes = std::snprintf(buffer, sizeof buffer, format, values...);
    return {buffer, static_cast<std::size_t>(std::clamp(bytes, 0, static_cast<int>(sizeof buffer) - 1))};
}

std::string unanswered_text(const Run& run) {
    std::string text = std::to_string(run.timeouts);
    if (run.errors > 0) text += " + " + std::to_string(run.errors) + " refused";
    return text + " of " + std::to_string(run.requests);
}

std::string hogs_text(unsigned hogs) { return std::to_string(hogs) + (hogs == 1 ? " hog" : " hogs"); }

bool is_starved(const Run& run, std::int64_t timeout_ns) { return run.p99_ns >= timeout_ns; }

// The sentence about one mode, from its numbers.
std::string sentence(const ModeRuns& mode, std::int64_t timeout_ns) {
    const auto starved = std::find_if(mode.runs.begin(), mode.runs.end(),
                                      [&](auto& run) { return is_starved(run, timeout_ns); });
    if (starved == mode.runs.end()) {
        const auto worst = std::max_element(mode.runs.begin(), mode.runs.end(),
                                            [](auto& a, auto& b) { return a.p99_ns < b.p99_ns; });
        return print("keeps answering: 99 of 100 requests within %s, however many hogs there are.",
                     latency_text(worst->p99_ns, timeout_ns).c_str());
    }
    const double share = 100.0 * (starved->timeouts + starved->errors) / std::max(starved->requests, 1U);
    std::string text = print("breaks with %s: %.0f %% of the requests get no answer",
                             hogs_text(starved->hogs).c_str(), share);
    if (starved != mode.runs.begin() && std::prev(starved)->hogs > 0)
        text += print(" (with %s, 99 of 100 were answered within %s)",
                      hogs_text(std::prev(starved)->hogs).c_str(),
                      latency_text(std::prev(starved)->p99_ns, timeout_ns).c_str());
    return text + ".";
}

std::string explanation(Mode mode) {
    switch (mode) {
        case Mode::cooperative:
            return "Fibers that only switch when they wait share a few threads. A handler that never waits "
                   "keeps its thread; "
                   "when every thread is kept, nobody runs: this is what one busy handler does to an event "
                   "loop.";
        case Mode::pool:
            return "One request per worker. Each hog costs a worker for good; when the last is gone, "
                   "requests queue until they "
                   "time out. More workers only move the point where it happens.";
        case Mode::preemptive:
            return "A fiber that overstays loses its processor, not its thread: the others go on at once, "
                   "and hogs share what CPU "
                   "is left. Nothing in the handlers had to be written for it.";
    }
    return {};
}

std::string tiles(const Demonstration& demonstration) {
    std::string out = "<div class=\"tiles\">\n";
    for (const ModeRuns& mode : demonstration.modes) {
        if (mode.runs.empty()) continue;
        const Run& last = mode.runs.back();
        const bool starved = is_starved(last, demonstration.timeout_ns);
        const std::string value = starved ? "no answer" : latency_text(last.p99_ns, demonstration.timeout_ns);
        out += print(
            "<div class=\"tile\"><div class=\"name\">%s</div><div class=\"number%s\">%s</div><div "
            "class=\"note\">%s</div></div>\n",
            text_of(mode.mode).title,
            starved                    ? " bad"
            : last.p99_ns <= k_good_ns ? " good"
                                       : "",
            value.c_str(),
            starved ? print("%.0f %% of the requests beside %s timed out",
                            100.0 * (last.timeouts + last.errors) / std::max(last.requests, 1U),
                            hogs_text(last.hogs).c_str())
                          .c_str()
                    : print("for 99 of 100 requests beside %s", hogs_text(last.hogs).c_str()).c_str());
    }
    return out + "</div>\n";
}

std::string html_table(const Demonstration& demonstration) {
    std::string out =
        "<table><thead><tr><th>server</th><th>hogs</th><th>running</th><th>p50</th><th>p99</th><th>max</th>"
        "<th>no answer</th></tr></thead>\n";
    for (const ModeRuns& mode : demonstration.modes) {
        out += "<tbody>";
        for (const Run& run : mode.runs) {
            const auto cell = [&](std::int64_t ns) {
                const bool bad = ns >= demonstration.timeout_ns;
                return std::string(bad ? "<td class=\"bad\">" : "<td>") +
                       (bad ? "&gt; " + latency_text(ns, demonstration.timeout_ns).substr(2)
                            : latency_text(ns, demonstration.timeout_ns)) +
                       "</td>";
            };
            out += "<tr><th>" + std::string(&run == &mode.runs.front() ? text_of(mode.mode).title : "") +
                   "</th>";
            out += print("<td>%u</td><td>%u</td>", run.hogs, run.hogs_started);
            out += cell(run.p50_ns) + cell(run.p99_ns) + cell(run.max_ns);
            out += print(
                run.timeouts + run.errors > 0 ? "<td class=\"bad\">%s</td></tr>\n" : "<td>%s</td></tr>\n",
                unanswered_text(run).c_str());
        }
        out += "</tbody>\n";
    }
    return out + "</table>\n";
}

constexpr const char* k_page_start = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Who still answers beside a busy handler?</title>
<style>
:root { --ink: #1c1d20; --quiet: #62646b; --line: #e3e3e7; --page: #ffffff; --card: #fafafa;
  --bad: #c8323c; --good: #0f8a6d }
@media (prefers-color-scheme: dark) { :root { --ink: #ececef; --quiet: #9b9da6; --line: #34353b;
  --page: #151619; --card: #1e1f23; --bad: #ff6b74; --good: #3cc8a3 } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 48px 24px 64px }
h1 { font-size: 32px; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 10px; font-weight: 650 }
h2 { font-size: 19px; margin: 44px 0 10px; font-weight: 600 }
p { margin: 0 0 12px; max-width: 46em } .lead { color: var(--quiet); font-size: 17px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 16px; margin: 30px 0 26px }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 20px 18px }
.tile .name { color: var(--quiet); font-size: 14px } .tile .note { color: var(--quiet); font-size: 14px }
.tile .number { font-size: 36px; font-weight: 650; letter-spacing: -.02em; line-height: 1.25 }
.bad { color: var(--bad) } .good { color: var(--good) }
.chart { overflow-x: auto } .chart svg { display: block; width: 100%; min-width: 860px; height: auto }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 12px 28px; margin: 0 }
dt { font-weight: 600 } dd { margin: 4px 0 0; color: var(--quiet); font-size: 15px }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: 5px 12px; border-bottom: 1px solid var(--line); font-weight: 400 }
th:first-child { text-align: left; padding-left: 0; font-weight: 600 }
thead th, thead th:first-child { color: var(--quiet); font-weight: 400 }
tbody + tbody tr:first-child > * { border-top: 2px solid var(--line) } td.bad { font-weight: 600 }
.wide { overflow-x: auto } .how { color: var(--quiet); font-size: 15px }
</style></head><body><main>
<h1>Who still answers beside a busy handler?</h1>
)";

}  // namespace

std::string latency_text(std::int64_t ns, std::int64_t timeout_ns) {
    const auto value = static_cast<double>(ns);
    if (ns >= timeout_ns) return print("> %.3g s", static_cast<double>(timeout_ns) / 1e9);
    if (ns >= 1'000'000'000) return print("%.2g s", value / 1e9);
    if (ns >= 10'000'000) return print("%.0f ms", value / 1e6);
    return print(ns >= 1'000'000 ? "%.1f ms" : "%.2f ms", value / 1e6);
}

std::string as_line(const Run& run, std::int64_t timeout_ns) {
    return print("%u of %u hogs running, %u requests: p50 %s, p99 %s, max %s, %u timed out%s",
                 run.hogs_started, run.hogs, run.requests, latency_text(run.p50_ns, timeout_ns).c_str(),
                 latency_text(run.p99_ns, timeout_ns).c_str(), latency_text(run.max_ns, timeout_ns).c_str(),
                 run.timeouts, run.errors > 0 ? print(", %u refused", run.errors).c_str() : "");
}

std::string busy_note(const Demonstration& demonstration) {
    if (demonstration.load_before < k_busy_share * demonstration.cpus) return {};
    return print(
        "Other programs were busy on this machine before the start (load average %.1f on %u CPUs); "
        "the latencies of all three include waiting for them.",
        demonstration.load_before, demonstration.cpus);
}

std::string as_table(const Demonstration& demonstration) {
    std::string out = print("%-12s %5s %8s %10s %10s %10s   %s\n", "server", "hogs", "running", "p50", "p99",
                            "max", "timed out");
    for (const ModeRuns& mode : demonstration.modes) {
        for (const Run& run : mode.runs)
            out += print("%-12s %5u %8u %10s %10s %10s   %s\n",
                         &run == &mode.runs.front() ? text_of(mode.mode).word : "", run.hogs,
                         run.hogs_started, latency_text(run.p50_ns, demonstration.timeout_ns).c_str(),
                         latency_text(run.p99_ns, demonstration.timeout_ns).c_str(),
                         latency_text(run.max_ns, demonstration.timeout_ns).c_str(),
                         unanswered_text(run).c_str());
    }
    return out;
}

std::string as_html(const Demonstration& demonstration) {
    std::string out = k_page_start;
    out += print(
        "<p class=\"lead\">The same server and the same hogs (handlers that never return: %s) three times, "
        "on %u CPUs. "
        "Meanwhile a client asks for a page that takes no work, %u times a second, and waits up to %.3g "
        "s.</p>\n",
        demonstration.kind_details.c_str(), demonstration.cpus, demonstration.rate,
        static_cast<double>(demonstration.timeout_ns) / 1e9);
    out += tiles(demonstration);
    out += "<div class=\"chart\">\n" + as_svg(demonstration) + "</div>\n<h2>What is seen here</h2>\n<dl>\n";
    for (const ModeRuns& mode : demonstration.modes)
        out += print("<div><dt>%s</dt><dd>", text_of(mode.mode).title) + "It " +
               sentence(mode, demonstration.timeout_ns) + " " + explanation(mode.mode) + "</dd></div>\n";
    out += "</dl>\n<h2>The numbers</h2>\n<div class=\"wide\">\n" + html_table(demonstration) + "</div>\n";
    out += print(
        "<h2>How it was measured</h2>\n<p class=\"how\">Each row is a fresh server process on this machine, "
        "beside the "
        "client, with hogs of the kind “%s” started before the measurement and %.3g s of requests. Requests "
        "are sent by the "
        "clock, each on a connection of its own, whether or not earlier ones were answered; latency counts "
        "from the moment a "
        "request was due, so a stalled server cannot hide its stall. Requests without an answer count with "
        "the full "
        "timeout.</p>\n",
        demonstration.kind.c_str(), demonstration.seconds);
    if (const std::string note = busy_note(demonstration); !note.empty())
        out += "<p class=\"how\">" + note + "</p>\n";
    return out + "</main></body></html>\n";
}

}  // namespace reeve::starve
