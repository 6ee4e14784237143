// The picture of a small profile: widths, escaping, and the sums behind them.
#include "tools/prof/flame_graph.hpp"

#include <string>

#include "tests/support/catch.hpp"

using reeve::prof::as_text;
using reeve::prof::flame_graph;
using reeve::prof::Folded;
using reeve::prof::leaves;

namespace {

const Folded k_small{{"entry;handler;hot", 750}, {"entry;handler;vector<int>", 200}, {"entry;hot", 50}};

}  // namespace

TEST_CASE("folded: one line per stack", "[prof]") {
    CHECK(as_text(k_small) == "entry;handler;hot 750\nentry;handler;vector<int> 200\nentry;hot 50\n");
}

TEST_CASE("folded: leaves are summed over stacks, most first", "[prof]") {
    const auto sums = leaves(k_small);
    REQUIRE(sums.size() == 2);
    CHECK(sums[0] == std::pair<std::string, std::uint64_t>("hot", 800));
    CHECK(sums[1] == std::pair<std::string, std::uint64_t>("vector<int>", 200));
}

TEST_CASE("flame graph: each frame says its time and share, callees beside each other on their caller",
          "[prof]") {
    const std::string svg = flame_graph(k_small, {"program (1)", "1000 us"});
    CHECK(svg.find("<title>all&#10;1.0 ms, 100.00 %</title>") != std::string::npos);
    CHECK(svg.find("<title>handler&#10;950 µs, 95.00 %</title>") != std::string::npos);
    CHECK(svg.find("<title>hot&#10;750 µs, 75.00 %</title><rect x=\"16.00\" y=\"76\" width=\"936.00\"") !=
          std::string::npos);
    CHECK(svg.find("<title>vector&lt;int&gt;&#10;200 µs, 20.00 %</title><rect x=\"952.00\" y=\"76\" "
                   "width=\"249.60\"") != std::string::npos);
}

TEST_CASE("flame graph: names cannot break the document", "[prof]") {
    const std::string svg = flame_graph({{"a<b>&\"c\"", 10}}, {"<title>", ""});
    CHECK(svg.find("a&lt;b&gt;&amp;&quot;c&quot;") != std::string::npos);
    CHECK(svg.find("<title>&lt;title&gt;</title>") != std::string::npos);
}

TEST_CASE("flame graph: a profile of nothing says so", "[prof]") {
    CHECK(flame_graph({}, {"idle (1)", ""}).find("No samples") != std::string::npos);
}
