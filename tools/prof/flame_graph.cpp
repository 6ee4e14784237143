#include "tools/prof/flame_graph.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

namespace reeve::prof {
namespace {

constexpr double k_width = 1280;
constexpr double k_margin = 16;
constexpr double k_row = 18;
constexpr double k_header = 76;
constexpr double k_footer = 34;
constexpr double k_character = 6.65;  // the average advance of the font at its size

// Narrower frames cannot be seen and would make the file large; zooming in does not bring them back.
constexpr double k_width_min = 0.02;

struct Node {
    std::uint64_t us = 0;
    std::map<std::string, std::unique_ptr<Node>, std::less<>> callees;
};

std::unique_ptr<Node> tree_of(const Folded& folded) {
    auto root = std::make_unique<Node>();
    for (const auto& [line, us] : folded) {
        Node* node = root.get();
        node->us += us;
        std::size_t start = 0;
        while (start <= line.size()) {
            const std::size_t end = std::min(line.find(';', start), line.size());
            auto& next = node->callees[line.substr(start, end - start)];
            if (!next) next = std::make_unique<Node>();
            node = next.get();
            node->us += us;
            start = end + 1;
        }
    }
    return root;
}

std::size_t depth_of(const Node& node, double us_min) {
    std::size_t depth = 0;
    for (const auto& [name, callee] : node.callees)
        if (static_cast<double>(callee->us) >= us_min) depth = std::max(depth, 1 + depth_of(*callee, us_min));
    return depth;
}

std::string number(double value, int digits) {
    std::array<char, 32> buffer;
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, digits)
            .ptr;
    return {buffer.data(), end};
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

// The colour says whose code it is; its shade only tells neighbours apart.
std::string colour_class(std::string_view name) {
    if (name.starts_with("[")) return "unknown";
    if (name.starts_with("reeve::") || name.starts_with("reeve_")) return "runtime";
    if (name.starts_with("std::") || name.starts_with("__gnu_cxx::") || name.starts_with("operator "))
        return "library";
    if (name.find("::") == std::string_view::npos &&
        (name.starts_with("_") || name.find('@') != std::string_view::npos))
        return "library";
    return "program";
}

std::string shade(std::string_view name) {
    const std::size_t hash = std::hash<std::string_view>()(name);
    return number(0.78 + 0.22 * static_cast<double>(hash % 97) / 96, 2);
}

std::string fitting(std::string_view name, double width) {
    const auto room = static_cast<std::size_t>(std::max(0.0, (width - 6) / k_character));
    if (room >= name.size()) return escaped(name);
    if (room < 3) return "";
    return escaped(name.substr(0, room - 1)) + "…";
}

class Picture {
public:
    Picture(double total_us, double bottom) : total_us_(total_us), bottom_(bottom) {}

    void add(std::string_view name, const Node& node, double x, std::size_t level) {
        const double width = static_cast<double>(node.us) / total_us_ * (k_width - 2 * k_margin);
        if (width < k_width_min) return;
        const double y = bottom_ - static_cast<double>(level + 1) * k_row;
        out_ += "<g class=\"f " + colour_class(name) + "\"><title>" + escaped(name) + "&#10;" +
                time(node.us) + ", " + number(100 * static_cast<double>(node.us) / total_us_, 2) +
                " %</title><rect x=\"" + number(x, 2) + "\" y=\"" + number(y, 0) + "\" width=\"" +
                number(width, 2) + "\" height=\"" + number(k_row - 1, 0) + "\" rx=\"2\" opacity=\"" +
                shade(name) + "\"/><text x=\"" + number(x + 3, 2) + "\" y=\"" + number(y + 12.5, 1) + "\">" +
                fitting(name, width) + "</text></g>\n";
        for (const auto& [callee_name, callee] : node.callees) {
            add(callee_name, *callee, x, level + 1);
            x += static_cast<double>(callee->us) / total_us_ * (k_width - 2 * k_margin);
        }
    }

    [[nodiscard]] static std::string time(std::uint64_t us) {
        if (us >= 1'000'000) return number(static_cast<double>(us) / 1e6, 2) + " s";
        if (us >= 1000) return number(static_cast<double>(us) / 1e3, 1) + " ms";
        return std::to_string(us) + " µs";
    }

    [[nodiscard]] const std::string& text() const { return out_; }

private:
    double total_us_;
    double bottom_;
    std::string out_;
};

// Plain colours first and the dark ones over them, not variables: most viewers of SVG that are no browsers
// know none.
constexpr std::string_view k_style = R"(<style>
svg { background: #fcfcfb; font-family: system-ui, sans-serif }
text { fill: #1d1d1f; font-size: 11.5px; pointer-events: none }
.title { font-size: 18px; font-weight: 600 }
.quiet { fill: #6b6b70; font-size: 12.5px }
.program rect { fill: #f2a65a }
.runtime rect { fill: #7db3e8 }
.library rect { fill: #a5cf8b }
.unknown rect { fill: #c9c9cf }
.all rect { fill: #dcdce2 }
.f { cursor: pointer }
.f:hover rect { stroke: #1d1d1f; opacity: 1 }
.f.found rect { fill: #d6409f; opacity: 1 }
.f.above rect { opacity: .35 }
.button { cursor: pointer; pointer-events: all; text-decoration: underline }
input { font: 13px system-ui, sans-serif; width: 100%; box-sizing: border-box; padding: 4px 8px; border-radius: 6px;
  border: 1px solid #c9c9cf; background: transparent; color: #1d1d1f }
@media (prefers-color-scheme: dark) {
  svg { background: #17181b }
  text { fill: #ececf0 }
  .quiet { fill: #9a9aa3 }
  .program rect { fill: #c9792b }
  .runtime rect { fill: #3f78b3 }
  .library rect { fill: #5a8a40 }
  .unknown rect { fill: #5c5d66 }
  .all rect { fill: #33343b }
  .f:hover rect { stroke: #ececf0 }
  .f.found rect { fill: #d6409f }
  input { border-color: #4a4b52; color: #ececf0 }
}
</style>
)";

// Zoom: the clicked frame takes the whole width, its callers keep it, everything else is hidden.
constexpr std::string_view k_script = R"(<script><![CDATA[
"use strict";
const left = 16, right = 1264, character = 6.65;
const frames = Array.from(document.querySelectorAll("g.f"), (g) => {
  const rect = g.querySelector("rect"), value = (name) => parseFloat(rect.getAttribute(name));
  return { g, rect, text: g.querySelector("text"), name: g.querySelector("title").textContent.split("\n")[0],
           x: value("x"), y: value("y"), w: value("width") };
});
const all = frames[0], detail = document.getElementById("detail"), found = document.getElementById("found");
function zoom(to) {
  const scale = (right - left) / to.w, slack = 0.02;
  for (const f of frames) {
    const within = f.x >= to.x - slack && f.x + f.w <= to.x + to.w + slack;
    const above = f.y > to.y && f.x <= to.x + slack && f.x + f.w >= to.x + to.w - slack;
    f.g.style.display = above || (within && f.y <= to.y) ? "" : "none";
    f.g.classList.toggle("above", above);
    const x = above ? left : left + (f.x - to.x) * scale, w = above ? right - left : f.w * scale;
    f.rect.setAttribute("x", x); f.rect.setAttribute("width", w); f.text.setAttribute("x", x + 3);
    const room = Math.floor((w - 6) / character);
    f.text.textContent = room >= f.name.length ? f.name : room < 3 ? "" : f.name.slice(0, room - 1) + "…";
  }
  document.getElementById("reset").style.display = to === all ? "none" : "";
}
function search(pattern) {
  let test = null;
  try { test = pattern === "" ? null : new RegExp(pattern, "i"); } catch (e) { return; }
  // Time is counted once where a match calls a match: only frames not inside one already seen.
  let covered = [], sum = 0;
  for (const f of frames) {
    const hit = test !== null && f !== all && test.test(f.name);
    f.g.classList.toggle("found", hit);
    if (hit && !covered.some((c) => f.x >= c.x - 0.02 && f.x + f.w <= c.x + c.w + 0.02 && f.y < c.y)) {
      covered.push(f); sum += f.w;
    }
  }
  found.textContent = test === null ? "" : (100 * sum / all.w).toFixed(1) + " % found";
}
for (const f of frames) {
  f.g.addEventListener("click", () => zoom(f));
  f.g.addEventListener("mouseenter", () =>
    detail.textContent = f.g.querySelector("title").textContent.replace("\n", "  ·  "));
  f.g.addEventListener("mouseleave", () => detail.textContent = "");
}
document.getElementById("reset").addEventListener("click", () => zoom(all));
document.getElementById("reset").style.display = "none";
document.getElementById("search").addEventListener("input", (event) => search(event.target.value));
]]></script>
)";

}  // namespace

std::string flame_graph(const Folded& folded, const FlameText& text) {
    const auto root = tree_of(folded);
    const auto total = static_cast<double>(std::max<std::uint64_t>(root->us, 1));
    const double us_min = k_width_min / (k_width - 2 * k_margin) * total;
    const double bottom = k_header + static_cast<double>(depth_of(*root, us_min) + 1) * k_row;
    Picture picture(total, bottom);
    picture.add("all", *root, k_margin, 0);
    std::string frames = picture.text();
    if (const auto first = frames.find("\"f program\""); first != std::string::npos)
        frames.replace(first, 11, "\"f all\"");

    const std::string width = number(k_width, 0);
    const std::string height = number(bottom + k_footer, 0);
    std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + width + " " + height +
                      "\" width=\"" + width + "\" height=\"" + height + "\">\n<title>" + escaped(text.title) +
                      "</title>\n";
    out += k_style;
    out += "<text class=\"title\" x=\"16\" y=\"32\">" + escaped(text.title) +
           "</text>\n<text class=\"quiet\" x=\"16\" y=\"54\">" + escaped(text.subtitle) + "</text>\n";
    out +=
        R"(<text id="reset" class="quiet button" x="900" y="54" text-anchor="end" style="display:none">show all</text>
<text id="found" class="quiet" x="1000" y="54" text-anchor="end"></text>
<foreignObject x="1014" y="34" width="250" height="32">
<input xmlns="http://www.w3.org/1999/xhtml" id="search" placeholder="search functions"/></foreignObject>
)";
    if (folded.empty())
        out +=
            "<text x=\"16\" y=\"90\">No samples: the process used no CPU time while it was watched.</text>\n";
    out += frames;
    out += "<text id=\"detail\" class=\"quiet\" x=\"16\" y=\"" + number(bottom + 22, 0) + "\"></text>\n";
    out += k_script;
    out += "</svg>\n";
    return out;
}

}  // namespace reeve::prof
