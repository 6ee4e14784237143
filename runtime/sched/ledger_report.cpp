#include "runtime/sched/ledger_report.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "runtime/sched/symbols.hpp"

namespace reeve::sched {
namespace {

constexpr const char* k_other_places = "[other places]";  // they found no row in the ledger

struct Line {
    std::string function;
    std::uint64_t count = 0;
    std::int64_t total_ns = 0;
    std::int64_t max_ns = 0;
};

std::string function_of(const LedgerRow& row, const Namer& name) { return row.code == 0 ? k_other_places : name(row.code); }

// Rows are places; lines are functions. Most frequent first.
template <class Wanted>
std::vector<Line> lines_of(const LedgerSnapshot& ledger, const Namer& name, Wanted wanted) {
    std::map<std::string, Line> sums;
    for (const LedgerRow& row : ledger.rows) {
        if (!wanted(row)) continue;
        Line& line = sums[function_of(row, name)];
        line.count += row.count;
        line.total_ns += row.total_ns;
        line.max_ns = std::max(line.max_ns, row.max_ns);
    }
    std::vector<Line> lines;
    for (auto& [function, line] : sums) {
        lines.push_back(line);
        lines.back().function = function;
    }
    std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.count > b.count; });
    return lines;
}

std::string duration(std::int64_t ns) {
    const auto value = static_cast<double>(ns);
    char text[32];
    if (ns < 10'000)
        std::snprintf(text, sizeof text, "%.1f us", value / 1e3);
    else if (ns < 1'000'000)
        std::snprintf(text, sizeof text, "%.0f us", value / 1e3);
    else if (ns < 1'000'000'000)
        std::snprintf(text, sizeof text, "%.1f ms", value / 1e6);
    else
        std::snprintf(text, sizeof text, "%.1f s", value / 1e9);
    return text;
}

void append_durations(std::string& text, const char* what, const Histogram& histogram) {
    if (histogram.count() == 0) return;
    char line[160];
    std::snprintf(line, sizeof line, "  %-46s %8llu  %8s  %8s  %8s\n", what,
                  static_cast<unsigned long long>(histogram.count()), duration(histogram.p50_ns()).c_str(),
                  duration(histogram.p99_ns()).c_str(), duration(histogram.max_ns).c_str());
    text += line;
}

void append_lines(std::string& text, const std::string& title, const std::vector<Line>& lines, std::size_t top) {
    if (lines.empty()) return;
    std::uint64_t all = 0;
    for (const Line& line : lines) all += line.count;
    text += title + "\n";
    std::uint64_t shown = 0;
    for (std::size_t i = 0; i < lines.size() && i < top; ++i) {
        const Line& line = lines[i];
        char figures[96];
        std::snprintf(figures, sizeof figures, "  %8llu  %5.1f %%  ", static_cast<unsigned long long>(line.count),
                      100.0 * static_cast<double>(line.count) / static_cast<double>(all));
        text += figures;
        if (line.total_ns != 0) {
            std::snprintf(figures, sizeof figures, "mean %8s  max %8s  ",
                          duration(line.total_ns / static_cast<std::int64_t>(line.count)).c_str(),
                          duration(line.max_ns).c_str());
            text += figures;
        }
        text.append(line.function).append("\n");
        shown += line.count;
    }
    if (lines.size() > top)
        text += "  " + std::to_string(all - shown) + " more in " + std::to_string(lines.size() - top) + " functions\n";
}

}  // namespace

std::map<std::string, std::uint64_t> ledger_folded(const LedgerSnapshot& ledger, const Namer& name) {
    std::map<std::string, std::uint64_t> folded;
    const PreemptionStats& stats = ledger.stats;
    if (stats.taken_blocked != 0) folded["taken;blocked"] = stats.taken_blocked;
    if (stats.taken_unanswered != 0) folded["taken;unanswered"] = stats.taken_unanswered;
    if (stats.yielded != 0) folded["yielded"] = stats.yielded;
    for (const LedgerRow& row : ledger.rows) {
        std::string function = function_of(row, name);
        std::replace(function.begin(), function.end(), ';', ':');  // the format's own separator
        switch (row.event) {
            case PreemptEvent::handed_over: folded["handed_over;" + function] += row.count; break;
            case PreemptEvent::parked: folded["parked;" + function] += row.count; break;
            case PreemptEvent::refused:
                folded[std::string("refused;") + words_of(row.reason).name + ";" + function] += row.count;
                break;
            case PreemptEvent::taken:
            case PreemptEvent::yielded: break;  // they have no place
        }
    }
    return folded;
}

std::string ledger_table(const LedgerSnapshot& ledger, const Namer& name, std::size_t top) {
    using Number = unsigned long long;
    const PreemptionStats& stats = ledger.stats;
    if (stats.handed_over + stats.taken_blocked + stats.taken_unanswered + stats.yielded + stats.parked + stats.refused() == 0)
        return {};
    char heading[320];
    std::snprintf(heading, sizeof heading,
                  "reeve: preemption: slices handed over %llu, yielded %llu, taken: blocked %llu, unanswered %llu; "
                  "threads parked %llu, refused %llu\n",
                  Number{stats.handed_over}, Number{stats.yielded}, Number{stats.taken_blocked},
                  Number{stats.taken_unanswered}, Number{stats.parked}, Number{stats.refused()});
    std::string text = heading;
    std::snprintf(heading, sizeof heading, "  %-46s %8s  %8s  %8s  %8s\n", "", "count", "p50", "p99", "max");
    text += heading;
    append_durations(text, "a slice of code that computed", stats.slice);
    append_durations(text, "a slice of code that blocked", stats.blocked_slice);
    append_durations(text, "a parked thread waited for its turn", stats.parked_for);
    append_durations(text, "a thread computed without a processor", stats.detached_for);
    append_durations(text, "a thread blocked without a processor", stats.blocked_for);
    const auto of = [](PreemptEvent event) { return [event](const LedgerRow& row) { return row.event == event; }; };
    append_lines(text, "slices handed over in", lines_of(ledger, name, of(PreemptEvent::handed_over)), top);
    append_lines(text, "threads parked, and how long, in", lines_of(ledger, name, of(PreemptEvent::parked)), top);
    for (std::size_t i = 0; i < k_refusals; ++i) {
        const auto reason = static_cast<Refusal>(i);
        const auto is_wanted = [reason](const LedgerRow& row) {
            return row.event == PreemptEvent::refused && row.reason == reason;
        };
        append_lines(text, std::string("not parked ") + words_of(reason).text, lines_of(ledger, name, is_wanted), top);
    }
    return text;
}

std::string ledger_table_of_this_process(const Ledger& ledger, std::size_t top) {
    Symbols symbols;
    return ledger_table(ledger.snapshot(), [&](std::uintptr_t code) { return symbols.name_of(code); }, top);
}

}  // namespace reeve::sched
