// Scope, race, gather: nothing outlives its block, the first error cancels, results are exact.
#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Channel;
using reeve::Errc;
using reeve::Scope;

namespace {

void at_100_us(reeve::Config& config) { config.quantum = 100us; }

// Counts one up when it is destroyed, having waited.
struct SlowToGo {
    explicit SlowToGo(std::atomic<int>& count_) : count(&count_) {}
    SlowToGo(SlowToGo&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
    ~SlowToGo() {
        if (!count) return;
        (void)reeve::sleep_for(1ms);
        ++*count;
    }
    std::atomic<int>* count;
};

template <class F>
std::string caught(F&& body) {
    try {
        body();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

// Seen failing with the child reporting its end before its closure is destroyed.
REEVE_TEST("scope: leaves when all have ended and their closures are destroyed", "[scope]") {
    std::atomic<int> gone{0};
    {
        Scope scope;
        for (int i = 0; i < 20; ++i) scope.spawn([slow = SlowToGo(gone)] { reeve::this_fiber::yield(); });
    }
    REEVE_EXPECT(gone.load() == 20);
    // So does join().
    reeve::spawn([slow = SlowToGo(gone)] {}).join();
    REEVE_EXPECT(gone.load() == 21);
}

REEVE_TEST("scope: children start siblings and scopes of their own", "[scope]") {
    std::atomic<int> count{0};
    const std::function<void(Scope&, int)> grow = [&](Scope& scope, int depth) {
        ++count;
        if (depth == 0) return;
        scope.spawn([&grow, &scope, depth] { grow(scope, depth - 1); });
        Scope inner;
        inner.spawn([&grow, &inner, depth] { grow(inner, depth - 1); });
    };
    {
        Scope scope;
        grow(scope, 8);
    }
    REEVE_EXPECT(count.load() == 511);
}

// Seen failing with fail() not cancelling the others, and with it not hitting the owner.
REEVE_TEST("scope: the first exception cancels the siblings and the owner's waits, and is rethrown", "[scope]") {
    std::atomic<int> cancelled{0};
    bool body_saw = false;
    const std::string text = caught([&] {
        Scope scope;
        for (int i = 0; i < 5; ++i)
            scope.spawn([&] {
                cancelled += reeve::sleep_for(1h).error() == Errc::cancelled;
                throw std::runtime_error("a later one");
            });
        scope.spawn([] {
            (void)reeve::sleep_for(1ms);
            throw std::runtime_error("first");
        });
        body_saw = Channel<int>().recv().error() == Errc::cancelled && scope.is_cancelled() &&
                   reeve::this_fiber::cause().has_value();
    });
    REEVE_EXPECT(text == "first");
    REEVE_EXPECT(cancelled.load() == 5);
    REEVE_EXPECT(body_saw);
    REEVE_EXPECT(reeve::sleep_for(10us));  // the owner is free again
}

REEVE_TEST("scope: wait() rethrows, once, and times out without doing anything", "[scope]") {
    Scope scope;
    const Channel<int> go_on;
    scope.spawn([go_on] {
        if (go_on.recv()) throw std::runtime_error("told to");
    });
    REEVE_EXPECT(scope.wait(1ms).error() == Errc::timed_out);
    REEVE_EXPECT(!scope.is_cancelled());
    REEVE_EXPECT(go_on.send(1, 20s));
    REEVE_EXPECT(caught([&] { (void)scope.wait(); }) == "told to");
    REEVE_EXPECT(caught([&] { REEVE_EXPECT(scope.wait()); }) == "");
}

// Seen failing with the destructor not cancelling when it unwinds: the children sleep for an hour.
REEVE_TEST("scope: left by an exception, it cancels its fibers and waits for them", "[scope]") {
    std::atomic<int> ended{0};
    const std::string text = caught([&] {
        Scope scope;
        for (int i = 0; i < 5; ++i)
            scope.spawn([&] {
                (void)reeve::sleep_for(1h);
                (void)reeve::blocking([] { ::usleep(1000); });
                ++ended;
                throw std::runtime_error("of a child");
            });
        reeve::this_fiber::yield();
        throw std::runtime_error("of the block");
    });
    REEVE_EXPECT(text == "of the block");
    REEVE_EXPECT(ended.load() == 5);
}

// Seen failing with admit() not marking late children.
REEVE_TEST("scope: cancel() ends the waits of its fibers, also of later ones, and not of the owner", "[scope]") {
    std::atomic<int> cancelled{0};
    Scope scope;
    const auto sleeper = [&] { cancelled += reeve::sleep_for(1h).error() == Errc::cancelled; };
    for (int i = 0; i < 5; ++i) scope.spawn(sleeper);
    REEVE_EXPECT(!scope.cause());
    scope.cancel(reeve::Error(Errc::closed, "enough"));
    scope.cancel();
    for (int i = 0; i < 5; ++i) scope.spawn(sleeper);
    REEVE_EXPECT(scope.cause() == Errc::closed);
    REEVE_EXPECT(reeve::sleep_for(100us));
    REEVE_EXPECT(scope.wait());
    REEVE_EXPECT(cancelled.load() == 10);
}

// Seen failing, by hanging, with leave() not passing the cancellation on, and with Scope not linking itself to its token.
REEVE_TEST("scope: cancelled through its owner, and through its token", "[scope]") {
    std::atomic<int> cancelled{0};
    const auto sleeper = [&] { cancelled += reeve::sleep_for(1h).error() == Errc::cancelled; };
    auto owner = reeve::spawn([&] {
        Scope scope;
        scope.spawn(sleeper);
        scope.spawn([&] { (void)reeve::gather(sleeper, sleeper); });
        scope.spawn([&] { reeve::race(sleeper, sleeper); });
    });
    (void)reeve::sleep_for(500us);
    owner.cancel();
    owner.join();
    REEVE_EXPECT(cancelled.load() == 5);

    const reeve::CancelSource source;
    Scope scope(source.token());
    scope.spawn(sleeper);
    source.cancel(reeve::Error(Errc::reset, "the client left"));
    REEVE_EXPECT(scope.wait());
    REEVE_EXPECT(scope.cause() == Errc::reset);
    scope.spawn(sleeper);
    REEVE_EXPECT(scope.wait());
    REEVE_EXPECT(cancelled.load() == 7);
    Scope late(source.token());
    REEVE_EXPECT(late.is_cancelled());
    Scope bounded(reeve::CancelSource(1ms).token());
    bounded.spawn([&] { cancelled += reeve::sleep_for(1h).error() == Errc::timed_out; });
    REEVE_EXPECT(bounded.wait());
    REEVE_EXPECT(cancelled.load() == 8);
}

REEVE_TEST("scope: a shielded end waits although the owner is cancelled", "[scope]") {
    std::atomic<bool> was_cancelled{true};
    const Channel<int> go_on;
    auto owner = reeve::spawn([&] {
        (void)reeve::sleep_for(1h);
        const reeve::Shield shield;
        Scope scope;
        scope.spawn([&] { was_cancelled = !go_on.recv(20s).has_value(); });
    });
    owner.cancel();
    REEVE_EXPECT(go_on.send(1, 20s));
    owner.join();
    REEVE_EXPECT(!was_cancelled.load());
}

// Seen failing with fail() taking `cancelled` for a failure after cancel(), and with a child's Result dropped.
REEVE_TEST("scope: a child that returns an error fails as one that throws, and wait() tells", "[scope]") {
    using reeve::Error;
    using reeve::Result;
    const auto sleeper = [] { return reeve::sleep_for(1h); };
    {
        Scope scope;
        for (int i = 0; i < 5; ++i) scope.spawn(sleeper);
        scope.spawn([]() -> Result<int> { return 1; });
        scope.spawn([]() -> Result<int> { return Error(Errc::refused, "the test"); });
        REEVE_EXPECT(reeve::sleep_for(1h).error() == Errc::cancelled);  // the owner is to come to the end
        REEVE_EXPECT(scope.wait().error() == Errc::refused);
        REEVE_EXPECT(scope.failure() == Errc::refused);
        REEVE_EXPECT(scope.wait().error() == Errc::refused);
    }
    REEVE_EXPECT(reeve::sleep_for(0ms));
    {
        Scope scope;
        scope.spawn(sleeper);
        REEVE_EXPECT(scope.wait(1ms).error() == Errc::timed_out);
        REEVE_EXPECT(!scope.failure());
        scope.cancel();
        REEVE_EXPECT(scope.wait());
        REEVE_EXPECT(!scope.failure());
        scope.spawn([]() -> Result<void> { return Errc::os; });
        REEVE_EXPECT(scope.wait().error() == Errc::os);
    }
    REEVE_EXPECT(caught([&] {
        Scope scope;
        scope.spawn([] { throw std::runtime_error("first"); });
        scope.spawn(sleeper);
        (void)scope.wait();
    }) == "first");
    {
        Scope nobody_asks;
        nobody_asks.spawn([]() -> Result<void> { return Errc::os; });
    }
}

REEVE_TEST("gather and race: in a plain thread", "[gather][race]") {
    std::thread thread([] {
        REEVE_EXPECT(reeve::gather([] { return 1; }, [] { return 2; }) == std::tuple(1, 2));
        REEVE_EXPECT(reeve::race([] { return 3; }, [] { return reeve::sleep_for(1h) ? 5 : 4; }) == 3);
        REEVE_EXPECT(caught([] { (void)reeve::gather([]() -> int { throw std::runtime_error("thrown"); }, [] { return 1; }); }) ==
                     "thrown");
    });
    reeve::blocking([&] { thread.join(); });
}

REEVE_TEST("scope: in a plain thread", "[scope]") {
    std::atomic<int> seen{0};
    std::string text;
    std::thread thread([&] {
        {
            Scope scope;
            for (int i = 0; i < 10; ++i) scope.spawn([&] { ++seen; });
        }
        seen += seen.load() == 10;
        text = caught([&] {
            Scope scope;
            scope.spawn([] { throw std::runtime_error("thrown"); });
            seen += reeve::sleep_for(1h).error() == Errc::cancelled;
        });
    });
    reeve::blocking([&] { thread.join(); });
    REEVE_EXPECT(seen.load() == 12);
    REEVE_EXPECT(text == "thrown");
}

// The race hunted: children end, fail, start siblings and wait while the scope is cancelled from several sides and left.
// Seen failing, by hanging, with cancel_all() leaving out the first child.
static void scopes_at_random() {
    const int rounds = reeve::test::is_sanitized() ? 30 : 150;
    std::atomic<long> begun{0};
    std::atomic<long> ended{0};
    std::atomic<long> thrown{0};
    std::atomic<long> failed{0};
    {
        Scope all;
        for (unsigned seed = 1; seed <= 8; ++seed)
            all.spawn([&, seed] {
                std::minstd_rand random(seed);
                for (int round = 0; round < rounds; ++round) {
                    const reeve::CancelSource source;
                    const bool throws = random() % 4 == 0;
                    const std::string text = caught([&] {
                        Scope scope(source.token());
                        for (auto i = random() % 8; i > 0; --i) {
                            ++begun;
                            scope.spawn([&, way = random() % 4] {
                                if (way == 0) reeve::this_fiber::yield();
                                if (way == 1) (void)reeve::sleep_for(1h);
                                if (way == 2) (void)reeve::sleep_for(20us);
                                if (way == 3) {
                                    ++begun;
                                    scope.spawn([&] { ++ended; });
                                }
                                ++ended;
                            });
                        }
                        if (throws) {
                            ++thrown;
                            scope.spawn([] { throw std::runtime_error("at random"); });
                        }
                        if (random() % 2 == 0) reeve::this_fiber::yield();
                        Scope cancellers;
                        cancellers.spawn([&] { source.cancel(); });
                        cancellers.spawn([&] { scope.cancel(); });
                    });
                    failed += text == "at random";
                }
            });
    }
    REEVE_EXPECT(begun.load() == ended.load());
    REEVE_EXPECT(thrown.load() == failed.load());
}

TEST_CASE("scope: cancelled, failing and left at random, exact counts", "[scope]") {
    reeve::test::run_everywhere(scopes_at_random);
}

TEST_CASE("scope: the same with a quantum of 100 us", "[scope]") { reeve::test::run_everywhere(scopes_at_random, at_100_us); }

// Seen failing with Finish::run() not cancelling the group.
REEVE_TEST("race: the first to finish wins, the others are cancelled and have ended", "[race]") {
    std::atomic<int> cancelled{0};
    const auto slow = [&] {
        cancelled += reeve::sleep_for(1h).error() == Errc::cancelled;
        (void)reeve::blocking([] { ::usleep(500); });
        ++cancelled;
        return 1;
    };
    REEVE_EXPECT(reeve::race(slow, [] { return 2; }, slow) == 2);
    REEVE_EXPECT(cancelled.load() == 4);

    std::vector<std::function<int()>> many(10, slow);
    many.emplace_back([] { return 3; });
    REEVE_EXPECT(reeve::race(many) == 3);

    const auto either = reeve::race([] { return std::string("text"); }, [] { (void)reeve::sleep_for(1h); });
    REEVE_EXPECT(either.index() == 0 && std::get<0>(either) == "text");
    const auto other = reeve::race([&] { return std::make_unique<int>(slow()); }, [] {});
    REEVE_EXPECT(other.index() == 1);
    reeve::race([] {}, [] { (void)reeve::sleep_for(1h); });
}

REEVE_TEST("race: an exception finishes, too; those of losers are dropped", "[race]") {
    const auto loses = []() -> int {
        (void)reeve::sleep_for(1h);
        throw std::runtime_error("of a loser");
    };
    REEVE_EXPECT(caught([&] { (void)reeve::race(loses, []() -> int { throw std::runtime_error("won"); }); }) == "won");
    REEVE_EXPECT(reeve::race(loses, [] { return 4; }) == 4);
}

REEVE_TEST("gather: ten thousand, in order", "[gather]") {
    std::vector<std::function<int()>> calls;
    const int count = reeve::test::is_sanitized() ? 500 : 10'000;
    for (int i = 0; i < count; ++i) calls.emplace_back([i] { return i; });
    const std::vector<int> results = reeve::gather(calls);
    bool in_order = results.size() == calls.size();
    for (int i = 0; in_order && i < count; ++i) in_order = results[static_cast<std::size_t>(i)] == i;
    REEVE_EXPECT(in_order);
}
