// ProcessorWord in every order of its holder, takers and givers (unchanged header).
#include "tests/model/traced.hpp"
#include "tests/support/catch.hpp"

using reeve::model::Execution;
using reeve::model::explore;
using reeve_model::sched::ProcessorWord;

namespace {

// What the processor owns: two at once must not touch it. Each use is two accesses, so that another can come between.
struct Owned {
    std::TracedAtomic<int> users{0};
    void use() {
        if (users.fetch_add(1) != 0) reeve::model::fail("two hold the processor");
        users.fetch_sub(1);
    }
};

}  // namespace

// Seen failing with enter() storing the runtime bit instead of the compare-exchange: a holder that lost it is not told.
TEST_CASE("processor word: one holder, in every order of a holder and two takers", "[model]") {
    const auto explored = explore({.switches = 5}, [](Execution& execution) {
        ProcessorWord word;
        Owned owned;
        int lost = 0;
        int taken = 0;
        const ProcessorWord::Ticket first = word.renew();
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
        for (int i = 0; i < 2; ++i)
            execution.thread([&] {
                const auto ticket = word.take(word.load());
                if (ticket == 0) return;
                ++taken;
                owned.use();
                word.leave(ticket);
            });
        if (!execution.run()) return;
        execution.expect(lost == 0 || taken != 0, "lost and not taken");
        execution.expect(lost == 1 || word.is_held_by(first) == (taken == 0), "the holder was not told");
        execution.expect(ProcessorWord::is_user(word.load()), "somebody forgot to leave");
    });
    CHECK(explored.failure == "");
    CHECK(explored.executions > 1000);
}

// Seen failing with renew() keeping the ticket: the void one is good for entering.
TEST_CASE("processor word: who gave it away does not get in again", "[model]") {
    const auto explored = explore({.switches = 5}, [](Execution& execution) {
        ProcessorWord word;
        Owned owned;
        std::TracedAtomic<ProcessorWord::Ticket> given{0};
        bool entered_again = false;
        const ProcessorWord::Ticket first = word.renew();
        execution.thread([&] {
            owned.use();
            given.store(word.renew());
            entered_again = word.enter(first);
        });
        execution.thread([&] {
            reeve::model::block_until([&] { return given.peek() != 0; });
            owned.use();
            word.leave(given.load());
        });
        execution.thread([&] {
            if (const auto ticket = word.take(word.load())) {
                owned.use();
                word.leave(ticket);
            }
        });
        if (execution.run()) execution.expect(!entered_again, "a void ticket is good for entering");
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
}
