// Storm: what all parts of the storm share. Fibers that never give their thread back, of every kind, beside fibers that talk
// to each other, on 4 workers with slices of 100 us; whatever is lost, doubled, mixed up or stuck shows.
//
// Idea. Everything that happens is counted by both sides: messages by sender and receiver, increments by the incrementer
// and under the lock, turns by their checksum. A *team* is a group of fibers that do the same; each step forward of a team
// is counted, so that the watchdog can tell which one is stuck.
//
// Seen failing with the state of exceptions not put back when a fiber is switched to: hogs found exceptions of others.
//
// All members: any fiber, any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace reeve::storm {

// Chance from a seed; the same seed gives the same choices.
class Chance {
public:
    explicit Chance(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    std::uint64_t below(std::uint64_t count) { return next() % count; }

private:
    std::uint64_t state_;
};

struct Team {
    std::string name;
    std::uint64_t part = 0;  // which one it is
    std::atomic<std::uint64_t> steps{0};
    std::atomic<unsigned> fibers{0};  // that are at it
};

class Storm {
public:
    explicit Storm(std::uint64_t seed) : seed_(seed) {}

    [[nodiscard]] std::uint64_t seed() const { return seed_; }
    // Different for each `part`.
    [[nodiscard]] Chance chance(std::uint64_t part) const;

    [[nodiscard]] bool is_over() const { return is_over_.load(std::memory_order_relaxed); }
    void end() { is_over_.store(true, std::memory_order_relaxed); }

    // Counts an error; the first ones are printed.
    [[gnu::format(printf, 2, 3)]] void fail(const char* format, ...);
    [[nodiscard]] std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

    // Before run() only. References stay valid.
    Team& add_team(std::string_view name);
    [[nodiscard]] std::deque<Team>& teams() { return teams_; }

private:
    const std::uint64_t seed_;
    std::atomic<bool> is_over_{false};
    std::atomic<std::uint64_t> errors_{0};
    std::deque<Team> teams_;
};

}  // namespace reeve::storm
