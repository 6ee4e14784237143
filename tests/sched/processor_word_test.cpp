// ProcessorWord: a processor has one holder, and one that lost it is told.
#include "runtime/sched/processor_word.hpp"

#include <atomic>
#include <thread>

#include "tests/support/catch.hpp"

using reeve::sched::Claim;
using reeve::sched::ProcessorWord;

TEST_CASE("processor word: it cannot be taken from a holder in the runtime, nor from nobody", "[processor_word]") {
    ProcessorWord word;
    CHECK_FALSE(ProcessorWord::is_user(word.load()));
    CHECK_FALSE(word.take(word.load()));
    Claim holder;
    word.give(nullptr, holder);
    REQUIRE(word.enter(holder));
    CHECK_FALSE(ProcessorWord::is_user(word.load()));
    CHECK_FALSE(word.take(word.load()));
    CHECK(word.is_held_by(holder));
}

TEST_CASE("processor word: taken from user code, the old holder does not get in", "[processor_word]") {
    ProcessorWord word;
    Claim old;
    Claim next;
    word.give(nullptr, old);
    REQUIRE(word.take(word.load()));
    CHECK_FALSE(word.enter(old));
    CHECK_FALSE(word.is_held_by(old));
    word.give(nullptr, next);
    CHECK_FALSE(word.enter(old));
    CHECK(word.is_held_by(next));
    CHECK(word.enter(next));
}

TEST_CASE("processor word: given, it may be taken until its new holder enters", "[processor_word]") {
    ProcessorWord word;
    Claim first;
    Claim second;
    word.give(nullptr, first);
    REQUIRE(word.enter(first));
    word.give(&first, second);
    CHECK_FALSE(word.enter(first));
    CHECK(ProcessorWord::is_user(word.load()));
    REQUIRE(word.take(word.load()));
    CHECK_FALSE(word.enter(second));
    word.give(nullptr, first);
    CHECK(word.enter(first));
}

TEST_CASE("processor word: a stale look does not take it", "[processor_word]") {
    ProcessorWord word;
    Claim first;
    Claim second;
    word.give(nullptr, first);
    const auto seen = word.load();
    REQUIRE(word.enter(first));
    word.give(&first, second);
    REQUIRE(word.enter(second));
    word.give(&second, first);  // the same holder as the look had seen
    CHECK_FALSE(word.take(seen));
    CHECK(word.enter(first));
}

namespace {

// Spins, for two sides that shall meet within some instructions; yields where they have but one CPU.
template <class Condition>
void wait_for(Condition holds) {
    for (int i = 1; !holds(); ++i) {
        __builtin_ia32_pause();
        if (i % 1000 == 0) std::this_thread::yield();
    }
}

}  // namespace

// Seen failing with an empty heavy_barrier().
TEST_CASE("processor word: of a returning holder and a taker exactly one gets it", "[processor_word]") {
    reeve::enable_light_barriers();
    constexpr int k_rounds = 10'000;
    ProcessorWord word;
    Claim holder;
    std::atomic<int> round{0};
    std::atomic<int> done{0};
    std::atomic<bool> taken{false};
    word.give(nullptr, holder);
    std::thread taker([&] {
        for (int mine = 1; mine <= k_rounds; ++mine) {
            wait_for([&] { return round.load() >= mine; });
            taken = word.take(word.load());
            done = mine;
        }
    });
    int wrong = 0;
    for (int now = 1; now <= k_rounds; ++now) {
        round.store(now, std::memory_order_relaxed);  // no locked instruction: it would order what the word itself must order
        for (int i = 0; i < now % 64; ++i) __builtin_ia32_pause();
        const bool entered = word.enter(holder);
        wait_for([&] { return done.load() >= now; });
        if (entered == taken.load()) ++wrong;
        if (entered)
            word.leave(holder);
        else
            word.give(nullptr, holder);
    }
    taker.join();
    CHECK(wrong == 0);
}
