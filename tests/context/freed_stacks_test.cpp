#include "runtime/context/freed_stacks.hpp"

#include <deque>

#include "runtime/base/random.hpp"
#include "tests/support/catch.hpp"

namespace {

using reeve::context::FreedStacks;

std::byte* top(std::size_t number) { return reinterpret_cast<std::byte*>(number * 4096); }

// Seen failing with reserve() keeping `oldest_`, and with pop_oldest() not moving it.
TEST_CASE("freed stacks: as a deque, while they grow", "[stack]") {
    FreedStacks freed;
    std::deque<std::byte*> expected;
    reeve::Random random(7);
    std::size_t made = 0;
    for (int step = 0; step < 20'000; ++step) {
        switch (random.below(4)) {
            case 0:
            case 1:
                if (expected.size() == made) freed.reserve(made += 3);
                expected.push_back(top(static_cast<std::size_t>(step)));
                freed.push(expected.back());
                break;
            case 2:
                if (expected.empty()) break;
                CHECK(freed.pop_youngest() == expected.back());
                expected.pop_back();
                break;
            default:
                if (expected.empty()) break;
                CHECK(freed.pop_oldest() == expected.front());
                expected.pop_front();
        }
        REQUIRE(freed.size() == expected.size());
    }
}

}  // namespace
