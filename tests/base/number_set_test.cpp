// NumberSet: what is taken is the lowest, or the highest, of what is in it.
#include "runtime/base/number_set.hpp"

#include <algorithm>
#include <set>

#include "runtime/base/random.hpp"
#include "tests/support/catch.hpp"

namespace {

using reeve::NumberSet;

// Against std::set, with numbers that need one, two and three levels.
// Seen failing with note_empty() that looks at one level only, and with one that goes on above a word that is not empty.
TEST_CASE("number set: as an ordered set, while its bound grows", "[number_set]") {
    NumberSet numbers;
    std::set<std::size_t> expected;
    reeve::Random random(7);
    std::size_t bound = 0;
    for (int step = 0; step < 60'000; ++step) {
        if (step % 1000 == 0) numbers.reserve(bound = bound * 5 / 4 + 3);
        switch (random.below(8)) {
            case 0: {
                const std::size_t count = random.below(5);
                const std::size_t most = std::min(count, expected.size());
                REQUIRE(numbers.take_lowest(count, [&](std::size_t number) {
                    REQUIRE(number == *expected.begin());
                    expected.erase(expected.begin());
                }) == most);
                break;
            }
            case 1:
                if (expected.empty()) break;
                REQUIRE(numbers.take_highest() == *expected.rbegin());
                expected.erase(std::prev(expected.end()));
                break;
            default:
                if (const std::size_t number = random.below(bound); expected.insert(number).second) numbers.insert(number);
        }
        REQUIRE(numbers.size() == expected.size());
    }
    CHECK(bound > 64 * 64 * 64);
    const std::size_t rest = expected.size();
    CHECK(numbers.take_lowest(rest + 1, [&](std::size_t number) {
        REQUIRE(number == *expected.begin());
        expected.erase(expected.begin());
    }) == rest);
    CHECK(numbers.size() == 0);
}

}  // namespace
