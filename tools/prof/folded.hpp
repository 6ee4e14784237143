// Folded: a profile in the format every flame graph tool reads, "root;...;leaf MICROSECONDS" per line.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace reeve::prof {

using Folded = std::map<std::string, std::uint64_t>;  // "root;...;leaf" to microseconds

[[nodiscard]] std::string as_text(const Folded& folded);

// How much of the total each function was on the CPU itself, most first.
[[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> leaves(const Folded& folded);

}  // namespace reeve::prof
