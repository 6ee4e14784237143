// Random: the source of chance of the simulated model; the same seed gives the same sequence on every machine.
//
// Idea. SplitMix64: one word of state, full period, any seed is a good one. The distributions are our own, because
// those of the standard library may differ between its implementations, and a failing seed must stay a bug report.
//
// A value; one user at a time; never parks.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

namespace reeve::gateway {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15ULL;
        return mix(state_);
    }

    // [0, 1)
    double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

    // [0, count); count > 0. The bias of the multiplication is below 2^-32 for the small counts used here.
    std::size_t below(std::size_t count) {
        return static_cast<std::size_t>(uniform() * static_cast<double>(count));
    }

    // Box and Muller, one of the pair.
    double normal() {
        const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
        return radius * std::cos(2.0 * std::numbers::pi * uniform());
    }

    // exp(mu) is the median.
    double lognormal(double mu, double sigma) { return std::exp(mu + sigma * normal()); }

    // A seed that depends on both, for sources that must not follow each other.
    static std::uint64_t combine(std::uint64_t a, std::uint64_t b) { return mix(mix(a) + 0x9e3779b97f4a7c15ULL + b); }

private:
    static std::uint64_t mix(std::uint64_t z) {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }

    std::uint64_t state_;
};

}  // namespace reeve::gateway
