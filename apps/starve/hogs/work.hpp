// What the turns of all hogs are made of: numbers from a seed, work for the CPU, and a complaint.
#pragma once

#include <cstdint>

namespace reeve::starve::hogs {

// Sanitizers slow down whatever touches memory; such turns do this much less, so that they stay bounded.
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
inline constexpr unsigned k_slowness = 8;
#else
inline constexpr unsigned k_slowness = 1;
#endif

// A value the optimiser must not do without.
template <class T>
void keep(const T& value) {
    asm volatile("" : : "r,m"(value) : "memory");
}

// The finaliser of SplitMix64: every bit of the result depends on every bit of the seed.
constexpr std::uint64_t mix(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

// About 2 ns a round, in registers only; each round needs the one before.
std::uint64_t compute(std::uint64_t seed, std::uint64_t rounds);
inline constexpr std::uint64_t k_rounds_per_ms = 500'000;

// For a turn that found something wrong: prints it (the first ones), and gives a checksum no other turn has.
std::uint64_t broken(const char* what);

}  // namespace reeve::starve::hogs
