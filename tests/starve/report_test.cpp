// The report of the demonstration: sentences and figures follow the numbers, whichever way a run went.
#include "apps/starve/report.hpp"

#include <cstdint>
#include <string>

#include "apps/starve/chart.hpp"
#include "tests/support/catch.hpp"

using namespace reeve::starve;

namespace {

constexpr std::int64_t k_ms = 1'000'000;
constexpr std::int64_t k_timeout = 2000 * k_ms;

Run answered(unsigned hogs, std::int64_t p99_ns) {
    return {hogs, hogs, 600, 0, 0, p99_ns / 2, p99_ns, p99_ns * 2};
}

Run starved(unsigned hogs, unsigned timeouts) {
    return {hogs, 2, 600, timeouts, 0, k_timeout, k_timeout, k_timeout};
}

Demonstration demonstration(ModeRuns runs) {
    Demonstration all;
    all.kind = "loop";
    all.kind_details = "an empty endless loop";
    all.rate = 150;
    all.seconds = 4;
    all.timeout_ns = k_timeout;
    all.cpus = 2;
    all.modes = {std::move(runs)};
    return all;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("starve: latencies are printed with the digits they deserve", "[starve]") {
    CHECK(latency_text(123'456, k_timeout) == "0.12 ms");
    CHECK(latency_text(1'234'567, k_timeout) == "1.2 ms");
    CHECK(latency_text(42 * k_ms, k_timeout) == "42 ms");
    CHECK(latency_text(1500 * k_ms, k_timeout) == "1.5 s");
    CHECK(latency_text(k_timeout, k_timeout) == "> 2 s");
}

TEST_CASE("starve: the table has a line per run", "[starve]") {
    const std::string table =
        as_table(demonstration({Mode::cooperative, {answered(0, k_ms), starved(16, 600)}}));
    CHECK(contains(table, "cooperative      0        0    0.50 ms     1.0 ms     2.0 ms   0 of 600\n"));
    CHECK(contains(table, "                16        2      > 2 s      > 2 s      > 2 s   600 of 600\n"));
}

TEST_CASE("starve: the page says where a mode breaks, and what it managed before", "[starve]") {
    const std::string page = as_html(demonstration(
        {Mode::cooperative, {answered(0, k_ms), answered(1, 3 * k_ms), starved(2, 594), starved(4, 600)}}));
    CHECK(contains(
        page,
        "breaks with 2 hogs: 99 % of the requests get no answer (with 1 hog, 99 of 100 were answered "
        "within 3.0 ms)"));
    CHECK(contains(page, "<div class=\"number bad\">no answer</div>"));
    CHECK_FALSE(contains(page, "keeps answering"));
}

TEST_CASE("starve: the page says how well a mode does that never breaks", "[starve]") {
    const std::string page = as_html(demonstration(
        {Mode::preemptive, {answered(0, k_ms), answered(4, 9 * k_ms), answered(16, 7 * k_ms)}}));
    CHECK(contains(page, "keeps answering: 99 of 100 requests within 9.0 ms"));
    CHECK(contains(page, "<div class=\"number good\">7.0 ms</div>"));
    CHECK_FALSE(contains(page, "breaks"));
}

TEST_CASE("starve: the chart marks what got no answer, and only that", "[starve]") {
    const std::string broken = as_svg(demonstration({Mode::pool, {answered(0, k_ms), starved(16, 300)}}));
    CHECK(contains(broken, "class=\"cross\""));
    CHECK(contains(broken, ">50 %</text>"));
    CHECK_FALSE(contains(as_svg(demonstration({Mode::pool, {answered(0, k_ms)}})), "class=\"cross\""));
}

TEST_CASE("starve: a busy machine is mentioned, an idle one is not", "[starve]") {
    Demonstration all = demonstration({Mode::pool, {answered(0, k_ms)}});
    all.load_before = 0.3;
    CHECK(busy_note(all).empty());
    CHECK_FALSE(contains(as_html(all), "busy on this machine"));
    all.load_before = 5.25;
    CHECK(contains(busy_note(all), "load average 5.2 on 2 CPUs"));
    CHECK(contains(as_html(all), "busy on this machine"));
}
