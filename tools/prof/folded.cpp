#include "tools/prof/folded.hpp"

#include <algorithm>

namespace reeve::prof {

std::string as_text(const Folded& folded) {
    std::string text;
    for (const auto& [line, us] : folded)
        text.append(line).append(" ").append(std::to_string(us)).append("\n");
    return text;
}

std::vector<std::pair<std::string, std::uint64_t>> leaves(const Folded& folded) {
    std::map<std::string, std::uint64_t> sums;
    for (const auto& [line, us] : folded) sums[line.substr(line.rfind(';') + 1)] += us;
    std::vector<std::pair<std::string, std::uint64_t>> sorted(sums.begin(), sums.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.second > b.second; });
    return sorted;
}

}  // namespace reeve::prof
