#include "tests/storm/storm.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "apps/starve/hogs/work.hpp"

namespace reeve::storm {

std::uint64_t Chance::next() { return state_ = starve::hogs::mix(state_); }

Chance Storm::chance(std::uint64_t part) const {
    return Chance(starve::hogs::mix(starve::hogs::mix(seed_) ^ starve::hogs::mix(part)));
}

void Storm::fail(const char* format, ...) {
    constexpr std::uint64_t k_printed = 20;
    if (errors_.fetch_add(1, std::memory_order_relaxed) >= k_printed) return;
    std::array<char, 512> text{};
    std::va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(text.data(), text.size() - 1, format, arguments);
    va_end(arguments);
    // One call, so that no other line gets between.
    const auto end = static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(text.size()) - 2));
    text[end] = '\n';
    (void)!::write(STDERR_FILENO, text.data(), end + 1);
}

Team& Storm::add_team(std::string_view name) {
    Team& team = teams_.emplace_back();
    team.name = name;
    team.part = teams_.size();
    return team;
}

}  // namespace reeve::storm
