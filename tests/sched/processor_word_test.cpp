// ProcessorWord: a processor has one holder, and one that lost it is told.
#include "runtime/sched/processor_word.hpp"

#include <atomic>
#include <thread>

#include "tests/support/catch.hpp"

using reeve::sched::ProcessorWord;

TEST_CASE("processor word: it cannot be taken from a holder in the runtime", "[processor_word]") {
    ProcessorWord word;
    CHECK_FALSE(ProcessorWord::is_user(word.load()));
    CHECK(word.take(word.load()) == 0);
}

TEST_CASE("processor word: taken from user code, the old ticket is worth nothing", "[processor_word]") {
    ProcessorWord word;
    const auto old = word.renew();
    word.leave(old);
    const auto taken = word.take(word.load());
    REQUIRE(taken != 0);
    CHECK_FALSE(word.enter(old));
    CHECK(word.is_held_by(taken));
    CHECK_FALSE(word.is_held_by(old));
    word.leave(taken);
    CHECK(word.enter(taken));
}

TEST_CASE("processor word: a stale look does not take it", "[processor_word]") {
    ProcessorWord word;
    const auto first = word.renew();
    word.leave(first);
    const auto seen = word.load();
    REQUIRE(word.enter(first));
    const auto second = word.renew();
    word.leave(second);
    CHECK(word.take(seen) == 0);
    CHECK(word.enter(second));
}

TEST_CASE("processor word: of a returning holder and a taker exactly one gets it", "[processor_word]") {
    constexpr int k_rounds = 20'000;
    ProcessorWord word;
    ProcessorWord::Ticket ticket = word.renew();
    std::atomic<int> round{0};
    std::atomic<int> done{0};
    std::atomic<ProcessorWord::Ticket> taken{0};
    std::thread taker([&] {
        for (int mine = 1; mine <= k_rounds; ++mine) {
            while (round.load() < mine) std::this_thread::yield();
            taken = word.take(word.load());
            done = mine;
        }
    });
    int wrong = 0;
    for (int now = 1; now <= k_rounds; ++now) {
        word.leave(ticket);
        round = now;
        const bool entered = word.enter(ticket);
        while (done.load() < now) std::this_thread::yield();
        if (entered == (taken.load() != 0)) ++wrong;
        if (!entered) ticket = taken;
    }
    taker.join();
    CHECK(wrong == 0);
}
