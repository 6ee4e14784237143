#include "apps/starve/hogs/work.hpp"

#include <atomic>
#include <cstdio>

namespace reeve::starve::hogs {

std::uint64_t compute(std::uint64_t seed, std::uint64_t rounds) {
    std::uint64_t value = mix(seed);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        value = value * 0xd1342543de82ef95ULL + i;
        value ^= value >> 29;
        asm volatile("" : "+r"(value));
    }
    return value;
}

std::uint64_t broken(const char* what) {
    constexpr std::uint64_t k_printed = 20;
    static std::atomic<std::uint64_t> s_count{0};
    const std::uint64_t number = ++s_count;
    if (number <= k_printed) std::fprintf(stderr, "hog: %s\n", what);
    return ~mix(number);
}

}  // namespace reeve::starve::hogs
