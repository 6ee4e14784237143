#include "apps/starve/chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "apps/starve/report.hpp"

namespace reeve::starve {
namespace {

constexpr double k_width = 1080;
constexpr double k_height = 446;
constexpr double k_left = 76;
constexpr double k_right = 8;
constexpr double k_gap = 26;
constexpr double k_top = 78;        // titles above
constexpr double k_band = 46;       // where timeouts are marked
constexpr double k_bottom = 378;    // the axis
constexpr double k_floor_ns = 5e4;  // 50 us: nothing that crosses TCP and a scheduler is faster
constexpr double k_bar = 16;

// Plain colours first and the dark ones over them, not variables: most viewers of SVG that are no browsers
// know none.
constexpr const char* k_style = R"(<style>
.starve { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
.starve text { fill: #1c1d20; font-size: 12.5px; font-variant-numeric: tabular-nums }
.starve .title { font-size: 16px; font-weight: 600 }
.starve .value { font-weight: 600 }
.starve .quiet { fill: #6a6c73 }
.starve .bad { fill: #c8323c; font-weight: 600 }
.starve .small { font-size: 11.5px }
.starve .middle { text-anchor: middle }
.starve .end { text-anchor: end }
.starve .panel { fill: #fafafa }
.starve .band { fill: #fbe9ea }
.starve .grid { stroke: #e3e3e7 }
.starve .timeout { stroke: #c8323c; stroke-dasharray: 4 3 }
.starve .cross { stroke: #c8323c; stroke-width: 2.5; stroke-linecap: round; fill: none }
.starve .bar { opacity: .55 }
.starve .dot { stroke: #fafafa; stroke-width: 1.5 }
.starve .reach { stroke-width: 2; stroke-linecap: round }
.starve .cooperative .bar, .starve .cooperative .dot { fill: #b9770e }
.starve .cooperative .reach { stroke: #b9770e }
.starve .pool .bar, .starve .pool .dot { fill: #7a5bb5 }
.starve .pool .reach { stroke: #7a5bb5 }
.starve .preemptive .bar, .starve .preemptive .dot { fill: #0f8a6d }
.starve .preemptive .reach { stroke: #0f8a6d }
@media (prefers-color-scheme: dark) {
  .starve text { fill: #ececef }
  .starve .quiet { fill: #9b9da6 }
  .starve .bad { fill: #ff6b74 }
  .starve .panel { fill: #1e1f23 }
  .starve .band { fill: #3a2023 }
  .starve .grid { stroke: #34353b }
  .starve .timeout, .starve .cross { stroke: #ff6b74 }
  .starve .dot { stroke: #1e1f23 }
  .starve .cooperative .bar, .starve .cooperative .dot { fill: #e2a544 }
  .starve .cooperative .reach { stroke: #e2a544 }
  .starve .pool .bar, .starve .pool .dot { fill: #b196e8 }
  .starve .pool .reach { stroke: #b196e8 }
  .starve .preemptive .bar, .starve .preemptive .dot { fill: #3cc8a3 }
  .starve .preemptive .reach { stroke: #3cc8a3 }
}
</style>
)";

template <class... Values>
std::string print(const char* format, Values... values) {
    char buffer[512];
    const int bytes = std::snprintf(buffer, sizeof buffer, format, values...);
    return {buffer, static_cast<std::size_t>(std::clamp(bytes, 0, static_cast<int>(sizeof buffer) - 1))};
}

struct Scale {
    std::int64_t timeout_ns;

    [[nodiscard]] double y(std::int64_t ns) const {
        const double share = std::log(std::max(static_cast<double>(ns), k_floor_ns) / k_floor_ns) /
                             std::log(static_cast<double>(timeout_ns) / k_floor_ns);
        return k_bottom - std::min(share, 1.0) * (k_bottom - k_top - k_band);
    }
};

std::string grid(const Scale& scale, double x, double width) {
    std::string out =
        print("<rect class=\"panel\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\"/>\n", x,
              k_top, width, k_bottom - k_top);
    out += print("<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\"/>\n", x,
                 k_top, width, k_band);
    for (std::int64_t ns = 100'000; ns < scale.timeout_ns; ns *= 10) {
        const double y = scale.y(ns);
        out += print("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", x, x + width,
                     y, y);
    }
    const double y = scale.y(scale.timeout_ns);
    out += print("<line class=\"timeout\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", x, x + width,
                 y, y);
    return out;
}

std::string axis(const Scale& scale) {
    std::string out;
    for (std::int64_t ns = 100'000; ns < scale.timeout_ns; ns *= 10) {
        const std::string label = ns < 1'000'000       ? "0.1 ms"
                                  : ns < 1'000'000'000 ? std::to_string(ns / 1'000'000) + " ms"
                                                       : "1 s";
        out += print("<text class=\"quiet small end\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", k_left - 8,
                     scale.y(ns) + 4, label.c_str());
    }
    out += print("<text class=\"bad small end\" x=\"%.1f\" y=\"%.1f\">no answer</text>\n", k_left - 8,
                 k_top + k_band / 2 - 2);
    out += print("<text class=\"bad small end\" x=\"%.1f\" y=\"%.1f\">in %.3g s</text>\n", k_left - 8,
                 k_top + k_band / 2 + 12, static_cast<double>(scale.timeout_ns) / 1e9);
    return out;
}

std::string column(const Run& run, const Scale& scale, double x) {
    const unsigned unanswered = run.timeouts + run.errors;
    std::string out =
        print("<g><title>%u hogs: %s</title>", run.hogs, as_line(run, scale.timeout_ns).c_str());
    const double y50 = scale.y(run.p50_ns);
    const double y99 = scale.y(run.p99_ns);
    const double top = scale.y(run.max_ns);
    const bool any_answered = unanswered < run.requests;
    if (any_answered && top < y99)
        out +=
            print("<line class=\"reach\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x, y99, top);
    if (any_answered)
        out += print("<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"4\"/>",
                     x - k_bar / 2, y99 - 2, k_bar, std::max(y50 - y99, 0.0) + 4);
    if (run.p50_ns < scale.timeout_ns)
        out += print("<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>", x, y50);
    if (unanswered > 0) {
        const double y = k_top + k_band - 13;
        out += print("<path class=\"cross\" d=\"M%.1f %.1fl9 9m0 -9l-9 9\"/>", x - 4.5, y - 4.5);
        const double percent = 100.0 * unanswered / std::max(run.requests, 1U);
        out += print(percent < 1 ? "<text class=\"bad small middle\" x=\"%.1f\" y=\"%.1f\">%.1f %%</text>"
                                 : "<text class=\"bad small middle\" x=\"%.1f\" y=\"%.1f\">%.0f %%</text>",
                     x, k_top + 17, percent);
    }
    if (run.p99_ns < scale.timeout_ns) {
        // Above whatever reaches highest, but inside the panel.
        const double y = std::max(top - 8, k_top + k_band + 12);
        out += print("<text class=\"small middle value\" x=\"%.1f\" y=\"%.1f\">%s</text>", x, y,
                     latency_text(run.p99_ns, scale.timeout_ns).c_str());
    }
    return out + "</g>\n";
}

std::string panel(const ModeRuns& mode, const Scale& scale, double x, double width) {
    const ModeText text = text_of(mode.mode);
    std::string out = grid(scale, x, width);
    out += print("<g class=\"%s\">\n<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>", text.word,
                 x + 6, k_top - 44.0);
    out += print("<text class=\"title\" x=\"%.1f\" y=\"%.1f\">%s</text>", x + 18, k_top - 38, text.title);
    out += print("<text class=\"quiet\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x, k_top - 16, text.details);
    const double step = width / static_cast<double>(std::max<std::size_t>(mode.runs.size(), 1));
    double at = x + step / 2;
    for (const Run& run : mode.runs) {
        out += column(run, scale, at);
        out += print("<text class=\"quiet middle\" x=\"%.1f\" y=\"%.1f\">%u</text>\n", at, k_bottom + 19,
                     run.hogs);
        at += step;
    }
    out += print("<text class=\"quiet small middle\" x=\"%.1f\" y=\"%.1f\">hogs</text>\n</g>\n",
                 x + width / 2, k_bottom + 38);
    return out;
}

// How to read a column, drawn in the same way as the columns.
std::string legend() {
    constexpr double x = k_left;
    constexpr double y = k_height - 8;
    return print(
        "<g class=\"quiet\"><text class=\"quiet small\" x=\"%.1f\" y=\"%.1f\">Each column: the dot is the "
        "median, the bar "
        "reaches to the 99th percentile (its value above), the thin line to the slowest "
        "request.</text></g>\n",
        x, y);
}

}  // namespace

std::string as_svg(const Demonstration& demonstration) {
    const Scale scale{demonstration.timeout_ns};
    const double count = static_cast<double>(std::max<std::size_t>(demonstration.modes.size(), 1));
    const double width = (k_width - k_left - k_right - (count - 1) * k_gap) / count;
    std::string out = print(
        "<svg class=\"starve\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
        "height=\"%.0f\" role=\"img\" aria-label=\"Latency of /fast beside hogs\">\n",
        k_width, k_height, k_width, k_height);
    out += k_style;
    out += axis(scale);
    double x = k_left;
    for (const ModeRuns& mode : demonstration.modes) {
        out += panel(mode, scale, x, width);
        x += width + k_gap;
    }
    out += legend();
    return out + "</svg>\n";
}

}  // namespace reeve::starve
