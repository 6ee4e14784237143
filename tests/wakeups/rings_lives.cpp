// Scopes, joins and trees of tokens: waits that end with a fiber's life, or with its parents' will.
#include <cinttypes>
#include <optional>

#include "tests/wakeups/crew.hpp"
#include "tests/wakeups/rings.hpp"

using namespace std::chrono_literals;

namespace reeve::storm {

void open_scopes(Storm& storm, Team& team) {
    Crew crew(storm, team);
    for (std::size_t i = 0; i < 3; ++i)
        crew.add([&](Member& self) {
            while (!self.is_over()) {
                const std::uint64_t children = 1 + self.below(6);
                const std::uint64_t opened_by = self.below(children + 1);  // `children`: by nobody, the scope is cancelled
                std::atomic<std::uint64_t> ended{0};
                Event open;
                {
                    Scope scope;
                    for (std::uint64_t child = 0; child < children; ++child)
                        scope.spawn([&, child] {
                            if (child == opened_by)
                                open.set();
                            else
                                (void)open.wait();
                            ++ended;
                        });
                    self.dawdle();
                    if (opened_by == children) scope.cancel();
                }
                if (ended != children) storm.fail("scope: %" PRIu64 " of %" PRIu64 " ended", ended.load(), children);
                self.step();
            }
        });
}

void join_children(Storm& storm, Team& team) {
    Crew crew(storm, team);
    for (std::size_t i = 0; i < 3; ++i)
        crew.add([&](Member& self) {
            while (!self.is_over()) {
                const std::uint64_t value = self.below(1'000);
                const bool is_asleep = self.below(4) == 0;
                auto child = spawn({.name = "child"}, [=] {
                    if (is_asleep) (void)sleep_for(1h);  // until it is cancelled
                    return value;
                });
                self.dawdle();
                if (is_asleep) child.cancel();
                if (child.join() != value) storm.fail("join: another value");
                self.step();
            }
        });
}

void cancel_trees(Storm& storm, Team& team) {
    constexpr std::size_t k_waiters = 4;
    struct Tree {
        CancelSource root;
        CancelSource branch{root.token()};
        CancelSource leaf{branch.token()};
    };
    std::vector<Channel<std::shared_ptr<Tree>>> told(k_waiters);
    Semaphore done(0);
    Crew crew(storm, team);
    for (std::size_t i = 0; i < k_waiters; ++i)
        crew.add([&, i](Member& self) {
            for (const auto& tree : told[i]) {
                // The attached one ends a wait for what never comes.
                const auto wait = [&](Deadline deadline) -> Result<void> {
                    if (i % 2 == 0) return tree->leaf.token().wait(deadline);
                    (void)with_cancel(tree->leaf.token(), [&] { return sleep_until(deadline); });
                    if (tree->leaf.is_cancelled()) return {};
                    return Error(Errc::timed_out, "tree");
                };
                while (!self.wait(wait)) continue;
                self.step();
                done.release();
            }
        });
    crew.add([&](Member& self) {
        while (!self.is_over()) {
            const auto tree = std::make_shared<Tree>();
            for (const auto& channel : told) (void)channel.send(tree);
            self.dawdle();
            (self.below(2) == 0 ? tree->root : tree->branch).cancel();
            while (!self.wait([&](Deadline deadline) { return done.acquire(k_waiters, deadline); })) continue;
        }
        for (const auto& channel : told) channel.close();
    });
    crew.join();
    if (done.available() != 0) storm.fail("cancel tree: %zu more got through than were there", done.available());
}

}  // namespace reeve::storm
