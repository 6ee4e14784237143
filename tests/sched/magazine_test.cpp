#include "runtime/sched/magazine.hpp"

#include <vector>

#include "tests/support/catch.hpp"

namespace {

using reeve::sched::Magazine;

// Numbers from 1 on, as long as there are any; what is given comes back last.
struct Pool {
    std::size_t take(int* into, std::size_t count) {
        std::size_t taken = 0;
        while (taken < count && next <= last) into[taken++] = next++;
        return taken;
    }
    void give(const int* things, std::size_t count) { given.insert(given.end(), things, things + count); }

    int next = 1;
    int last = 100;
    std::vector<int> given;
};

}  // namespace

// Seen failing with take() from the front, and with fill() not looking at what the pool had.
TEST_CASE("magazine: what was given last is taken first") {
    Pool pool;
    Magazine<int, 4> magazine;
    magazine.give(7, pool);
    magazine.give(8, pool);
    CHECK(magazine.take(pool) == 8);
    CHECK(magazine.take(pool) == 7);
    CHECK(pool.next == 1);
}

TEST_CASE("magazine: an empty one takes half its room from the pool, and nothing where that has nothing") {
    Pool pool;
    pool.last = 3;
    Magazine<int, 4> magazine;
    CHECK(magazine.take(pool) == 2);
    CHECK(pool.next == 3);
    CHECK(magazine.take(pool) == 1);
    CHECK(magazine.take(pool) == 3);
    CHECK(magazine.take(pool) == 0);
    pool.last = 4;
    CHECK(magazine.take(pool) == 4);
}

// Seen failing with the hotter half given away.
TEST_CASE("magazine: a full one gives the colder half to the pool") {
    Pool pool;
    Magazine<int, 4> magazine;
    for (int i = 11; i <= 15; ++i) magazine.give(i, pool);
    CHECK(pool.given == std::vector<int>{11, 12});
    for (int i = 15; i >= 13; --i) CHECK(magazine.take(pool) == i);
    CHECK(pool.next == 1);
}

TEST_CASE("magazine: it tells what is taken soon, and gives all") {
    Pool pool;
    Magazine<int, 4> magazine;
    CHECK(magazine.peek(0) == nullptr);
    for (int i = 1; i <= 3; ++i) magazine.give(i, pool);
    CHECK(*magazine.peek(0) == 3);
    CHECK(*magazine.peek(2) == 1);
    CHECK(magazine.peek(3) == nullptr);
    magazine.give_all(pool);
    CHECK(pool.given == std::vector<int>{1, 2, 3});
    CHECK(magazine.peek(0) == nullptr);
}
