// Random: a small seeded generator (SplitMix64); the same seed gives the same sequence on every machine.
//
// Whoever owns it may use it; not for secrets.
#pragma once

#include <cstdint>

namespace reeve {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15U); }
    // Less than `bound`, which is not 0.
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>(static_cast<unsigned __int128>(next()) * bound >> 64);
    }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

    // A number that looks as if it had nothing to do with `value`.
    static std::uint64_t mix(std::uint64_t value) {
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
        value = (value ^ value >> 27) * 0x94d049bb133111ebU;
        return value ^ value >> 31;
    }

private:
    std::uint64_t state_;
};

}  // namespace reeve
