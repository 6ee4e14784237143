// Fibers that start fibers: trees of spawn and join, gather with and without a failure, exceptions kept across parks.
#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "apps/starve/hogs/work.hpp"
#include "runtime/runtime.hpp"
#include "tests/storm/talk.hpp"

using namespace std::chrono_literals;

namespace reeve::storm {
namespace {

// How many leaves the tree has; every branch is a fiber.
std::uint64_t leaves_of(unsigned depth, unsigned branches, Chance chance) {
    if (depth == 0) {
        starve::hogs::keep(starve::hogs::compute(chance.next(), chance.below(2'000)));
        return 1;
    }
    std::vector<Join<std::uint64_t>> joins;
    for (unsigned i = 0; i < branches; ++i)
        joins.push_back(spawn({.name = "branch"}, [depth, branches, seed = chance.next()] {
            return leaves_of(depth - 1, branches, Chance(seed));
        }));
    std::uint64_t leaves = 0;
    for (auto& join : joins) leaves += join.join();
    return leaves;
}

// While the exception is handled the fiber parks, and may go on elsewhere: it must still be handling this one.
void rethrow_after_rest(const std::string& text, std::chrono::microseconds nap) {
    try {
        throw std::runtime_error(text);
    } catch (const std::runtime_error& error) {
        sleep_for(nap);
        if (error.what() != text || !std::current_exception()) throw std::logic_error("another exception than before");
        throw;
    }
}

void gather_once(Storm& storm, Chance& chance) {
    const std::uint64_t count = 1 + chance.below(10);
    const std::uint64_t failing = chance.below(count * 3);  // mostly none
    std::atomic<std::uint64_t> ended{0};
    std::vector<std::function<std::uint64_t()>> bodies;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto nap = std::chrono::microseconds(chance.below(500));
        bodies.emplace_back([&, i, nap] {
            const auto at_end = [&](void*) { ++ended; };
            const std::unique_ptr<void, decltype(at_end)> guard(&ended, at_end);
            if (i == failing) rethrow_after_rest("body " + std::to_string(i), nap);
            if (nap < 250us) sleep_for(nap);
            return starve::hogs::mix(i);
        });
    }
    std::string thrown;
    try {
        const std::vector<std::uint64_t> results = gather(std::move(bodies));
        for (std::uint64_t i = 0; i < count; ++i)
            if (results.at(i) != starve::hogs::mix(i)) storm.fail("gather: the wrong result");
    } catch (const std::exception& error) {
        thrown = error.what();
    }
    if (thrown != (failing < count ? "body " + std::to_string(failing) : "")) storm.fail("gather: threw '%s'", thrown.c_str());
    if (ended != count) storm.fail("gather: %" PRIu64 " of %" PRIu64 " had ended", ended.load(), count);
}

// `body` over and over on several fibers, until the storm is over.
void repeat(Storm& storm, Team& team, std::uint64_t part, const std::function<void(Chance&)>& body) {
    std::vector<Join<void>> joins;
    for (std::uint64_t i = 0; i < 3; ++i)
        joins.push_back(spawn({.name = team.name}, [&, i] {
            Chance chance = storm.chance(part + i);
            while (!storm.is_over()) {
                body(chance);
                ++team.steps;
                if (chance.below(2) == 0) sleep_for(std::chrono::microseconds(chance.below(1'000)));
            }
        }));
    for (auto& join : joins) join.join();
}

}  // namespace

void grow_trees(Storm& storm, Team& team) {
    repeat(storm, team, 5000, [&](Chance& chance) {
        const auto branches = static_cast<unsigned>(1 + chance.below(4));
        const auto depth = static_cast<unsigned>(1 + chance.below(3));
        std::uint64_t wanted = 1;
        for (unsigned i = 0; i < depth; ++i) wanted *= branches;
        const std::uint64_t leaves = leaves_of(depth, branches, Chance(chance.next()));
        if (leaves != wanted) storm.fail("trees: %" PRIu64 " leaves instead of %" PRIu64, leaves, wanted);
    });
}

void gather_results(Storm& storm, Team& team) {
    repeat(storm, team, 6000, [&](Chance& chance) { gather_once(storm, chance); });
}

}  // namespace reeve::storm
