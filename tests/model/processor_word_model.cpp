// ProcessorWord in every order of its holder, takers and givers (unchanged header).
#include "tests/model/traced.hpp"
#include "tests/support/catch.hpp"

using reeve::model::Execution;
using reeve::model::explore;
using reeve_model::sched::Claim;
using reeve_model::sched::ProcessorWord;

bool reeve_model::g_light_barriers = true;

namespace {

// What the processor owns: two at once must not touch it. Each use is two accesses, so that another can come between.
struct Owned {
    std::TracedAtomic<int> users{0};
    void use() {
        if (users.fetch_add(1) != 0) reeve::model::fail("two hold the processor");
        users.fetch_sub(1);
    }
};

// Takes it and gives it to `next`, who enters and leaves.
void take_for(ProcessorWord& word, Owned& owned, Claim& next, int& taken) {
    if (!word.take(word.load())) return;
    ++taken;
    owned.use();
    word.give(nullptr, next);
    if (!word.enter(next)) return;
    owned.use();
    word.leave(next);
}

}  // namespace

// Seen failing with take() looking at the claim before it marks the word, and with enter() reading the word before it raises
// the claim: two hold it. With enter() giving up at the mark instead of waiting: it is lost and not taken.
TEST_CASE("processor word: one holder, in every order of a holder and two takers", "[model]") {
    const auto explored = explore({.switches = 4}, [](Execution& execution) {
        ProcessorWord word;
        Owned owned;
        Claim first;
        Claim others[2];
        int lost = 0;
        int taken = 0;
        word.give(nullptr, first);
        if (!word.enter(first)) reeve::model::fail("not entered");
        execution.thread([&] {
            owned.use();
            word.leave(first);
            for (int i = 0; i < 2; ++i) {
                if (!word.enter(first)) {
                    ++lost;
                    return;
                }
                owned.use();
                word.leave(first);
            }
        });
        for (Claim& other : others) execution.thread([&] { take_for(word, owned, other, taken); });
        if (!execution.run()) return;
        execution.expect(lost == 0 || taken != 0, "lost and not taken");
        execution.expect(lost == 1 || word.is_held_by(first) == (taken == 0), "the holder was not told");
        execution.expect(ProcessorWord::is_user(word.load()), "somebody forgot to leave");
    });
    CHECK(explored.failure == "");
    CHECK(explored.is_thorough());
}

// Seen failing with give() overwriting the mark instead of waiting for the taker's decision: he takes it back to the old holder.
TEST_CASE("processor word: who gave it away does not get in again", "[model]") {
    const auto explored = explore({.switches = 5}, [](Execution& execution) {
        ProcessorWord word;
        Owned owned;
        Claim first;
        Claim second;
        Claim third;
        bool entered_again = false;
        std::TracedAtomic<bool> is_given{false};
        int taken = 0;
        word.give(nullptr, first);
        execution.thread([&] {
            if (!word.enter(first)) return is_given.store(true);
            owned.use();
            word.give(&first, second);
            is_given.store(true);
            entered_again = word.enter(first);
        });
        execution.thread([&] {
            reeve::model::block_until([&] { return is_given.peek(); });
            if (!word.enter(second)) return;
            owned.use();
            word.leave(second);
        });
        execution.thread([&] { take_for(word, owned, third, taken); });
        if (!execution.run()) return;
        execution.expect(!entered_again, "who gave it away got in");
        execution.expect(word.is_held_by(taken != 0 ? third : second), "it has another holder than it should");
        execution.expect(ProcessorWord::is_user(word.load()), "somebody forgot to leave");
    });
    CHECK(explored.failure == "");
    CHECK(explored.executions > 100);
}

// The explorer itself: what is wrong is found.
TEST_CASE("explorer: a lost update and a wait for nobody are found", "[model]") {
    const auto lost = explore({.switches = 1}, [](Execution& execution) {
        std::TracedAtomic<int> sum{0};
        for (int i = 0; i < 2; ++i) execution.thread([&] { sum.store(sum.load() + 1); });
        if (execution.run()) execution.expect(sum.peek() == 2, "lost update");
    });
    CHECK(lost.failure.find("lost update") == 0);
    const auto stuck = explore({.switches = 1}, [](Execution& execution) {
        execution.thread([] { reeve::model::block_until([] { return false; }); });
        execution.run();
    });
    CHECK(stuck.failure.find("all wait") == 0);
    const auto spinning = explore({.switches = 1}, [](Execution& execution) {
        execution.thread([] {
            for (;;) reeve::model::pause();
        });
        execution.run();
    });
    CHECK(spinning.failure.find("all wait") == 0);
}
