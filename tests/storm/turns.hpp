// Turns of hogs: several fibers per kind take turns with seeds whose checksums a plain thread has computed before.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "apps/starve/hogs.hpp"
#include "runtime/runtime.hpp"
#include "tests/storm/storm.hpp"

namespace reeve::storm {

class Turns {
public:
    // Adds a team for every kind whose name begins with `only` (all, if empty) and computes its checksums: on a plain
    // thread, before run().
    Turns(Storm& storm, std::string_view only);

    // Starts all fibers; they end when the storm does. From a fiber, once.
    void start(std::vector<Join<void>>& joins);
    // After all have been joined: what they sent must have arrived.
    void finish();

private:
    struct Expected {
        std::uint64_t seed;
        std::uint64_t checksum;
    };
    struct Kind {
        starve::HogKind hog;
        Team* team;
        std::vector<Expected> expected;
    };

    void take_turns(const Kind& kind, Chance chance);

    Storm& storm_;
    std::vector<Kind> kinds_;
    // They talk between turns: so they change threads, and are woken like anybody.
    Channel<std::uint64_t> news_{64};
    std::atomic<std::uint64_t> sent_{0};
    std::optional<Join<std::uint64_t>> reader_;  // returns the sum of what it received
};

}  // namespace reeve::storm
