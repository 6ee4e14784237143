// spawn and join, Future and Promise, Scope, gather and race under explored schedules: everybody has ended, one result each.
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/schedules/schedules.hpp"

using namespace std::chrono_literals;
using reeve::Deadline;
using reeve::Errc;
using reeve::Error;
using reeve::test::check_all_taken;
using reeve::test::dawdle;
using reeve::test::in_all_orders;
using reeve::test::Time;
using reeve::test::wait_elsewhere;
using reeve::testing::draw;
using reeve::testing::expect;

namespace {

Deadline some_deadline() { return draw(2) == 0 ? Deadline::never() : Deadline::in(std::chrono::microseconds(1 + draw(3))); }

// Counts who lives in a schedule.
struct Counted {
    explicit Counted(int& count_) : count(count_) { ++count; }
    ~Counted() { --count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    int& count;
};

}  // namespace

TEST_CASE("schedules: join, cancelled while the fiber ends, and while its joiner is cancelled", "[spawn]") {
    in_all_orders(Time::exact, [] {
        const reeve::Channel<int> channel;
        bool has_ended = false;
        auto receiver = reeve::spawn([&] {
            const auto value = channel.recv();
            dawdle();
            has_ended = true;
            return value ? *value : -1;
        });
        auto joiner = reeve::spawn([&, inner = std::move(receiver)]() mutable {
            const int value = inner.join();
            expect(has_ended, "join returns when the fiber has ended");
            return value;
        });
        bool was_sent = false;
        auto sender = reeve::spawn([&] { was_sent = channel.send(7, 1us).has_value(); });
        dawdle();
        joiner.cancel();  // passes it on
        const int value = joiner.join();
        sender.join();
        expect(value == (was_sent ? 7 : -1), "the value, or the cancellation");
    });
}

TEST_CASE("schedules: future, who race to set it and who wait for it", "[future]") {
    in_all_orders(Time::slips, [] {
        std::optional<reeve::Promise<int>> promise(std::in_place);
        const reeve::Future<int> future = promise->get_future();
        int winners = 0;
        std::optional<int> winner;
        std::vector<reeve::Join<void>> getters;
        std::vector<std::pair<bool, int>> got;
        for (int g = 0; g < 3; ++g)
            getters.push_back(reeve::spawn([&] {
                auto result = future.get(some_deadline());
                if (!result && result.error() == Errc::timed_out) result = future.get();
                if (!result && result.error() == Errc::cancelled) return;
                expect(result || result.error() == Errc::closed, "a value or the broken promise");
                got.emplace_back(result.has_value(), result ? *result : 0);
            }));
        {
            reeve::Scope setters;
            for (int s = 1; s <= 2; ++s)
                setters.spawn([&, s] {
                    dawdle();
                    if (draw(4) == 0 || !promise->try_set_value(s)) return;
                    ++winners;
                    winner = s;
                });
        }
        dawdle();
        getters[0].cancel();
        promise.reset();
        getters.clear();
        expect(winners <= 1, "one sets it");
        for (const auto& [has_value, value] : got)
            expect(has_value == winner.has_value() && value == winner.value_or(0), "all see what was set");
        expect(got.size() >= 2, "only who is cancelled goes without");
        expect(future.is_ready(), "it is set");
    });
}

TEST_CASE("schedules: future, who waits is cancelled while it is set or its promise goes away", "[future]") {
    int values = 0;
    int errors = 0;
    int broken = 0;
    int cancelled = 0;
    int timed_out = 0;
    const bool is_many = in_all_orders(Time::slips, [&] {
        std::optional<reeve::Promise<int>> promise(std::in_place);
        const reeve::Future<int> future = promise->get_future();
        const bool is_alone = draw(2) == 0;
        const int setters = is_alone ? 1 : 2;
        int setters_left = setters;
        int set = 0;  // what was: a value, an error below 0, 0 for neither
        std::vector<int> got;
        bool is_cancelled = false;
        bool is_gone = false;
        reeve::Event end;
        const auto get = [&](Deadline deadline) {
            const bool was_ready = future.is_ready();
            auto result = future.get(deadline);
            if (!result && (result.error() == Errc::cancelled || result.error() == Errc::timed_out)) {
                const bool is_victims = result.error() == Errc::cancelled;
                ++(is_victims ? cancelled : timed_out);
                expect(!was_ready, "what is there is had, by who is cancelled as well");
                expect(is_victims ? is_cancelled : deadline.has_passed(), "why a wait fails");
                wait_elsewhere(end);
                result = future.get();
            }
            got.push_back(result ? *result : result.error() == Errc::eof ? -1 : result.error() == Errc::refused ? -2 : 0);
            expect(got.back() != 0 || result.error() == Errc::closed, "a promise that nobody sets is broken");
            ++(got.back() > 0 ? values : got.back() < 0 ? errors : broken);
            // Who saw what was set may do away with the promise, though who set it is still about to return.
            if (is_alone && got.back() != 0 && !std::exchange(is_gone, true)) promise.reset();
        };
        auto victim = reeve::spawn([&] { get(Deadline::never()); });
        auto hasty = reeve::spawn([&] { get(some_deadline()); });
        auto patient = reeve::spawn([&] { get(Deadline::never()); });
        auto canceller = reeve::spawn([&] {
            dawdle();
            is_cancelled = true;
            victim.cancel();
        });
        std::vector<reeve::Join<void>> joins;
        for (int s = 1; s <= setters; ++s)
            joins.push_back(reeve::spawn([&, s] {
                dawdle();
                const auto way = draw(3);
                const bool is_mine = way == 0   ? promise->try_set_value(s)
                                     : way == 1 ? promise->try_set_error(Error(s == 1 ? Errc::eof : Errc::refused, "set"))
                                                : false;
                if (is_mine) set = way == 0 ? s : -s;
                if (--setters_left == 0 && !(is_alone && is_mine)) promise.reset();
            }));
        joins.clear();
        canceller.join();
        patient.join();
        expect(future.is_ready(), "it is set, or broken");
        end.set();
        victim.join();
        hasty.join();
        expect(got.size() == 3 && got[0] == set && got[1] == set && got[2] == set, "all see what was set");
    });
    if (is_many) check_all_taken({values, errors, broken, cancelled, timed_out});
}

TEST_CASE("schedules: scope, its owner cancelled while children end and start others", "[scope]") {
    int ended = 0;
    int cancelled = 0;
    int untouched = 0;
    const bool is_many = in_all_orders(Time::slips, [&] {
        int living = 0;
        int spawned = 0;
        int started = 0;
        int cut_short = 0;
        std::string caught;
        const bool fails = draw(4) == 0;
        const bool waits_for_ever = draw(2) == 0;
        const reeve::Channel<int> never;
        auto owner = reeve::spawn([&] {
            try {
                reeve::Scope scope;
                const auto last = [&] {
                    const Counted counted(living);
                    ++started;
                    const bool is_doomed = scope.is_cancelled();
                    const auto result = waits_for_ever ? never.recv() : never.recv(2us);
                    cut_short += result.error() == Errc::cancelled ? 1 : 0;
                    expect(!is_doomed || result.error() == Errc::cancelled, "who starts in a cancelled scope is cancelled");
                    expect(result.error() == Errc::cancelled || !waits_for_ever, "why a wait fails");
                };
                for (int c = 0; c < 2; ++c) {
                    ++spawned;
                    scope.spawn([&] {
                        const Counted counted(living);
                        ++started;
                        dawdle();
                        ++spawned;
                        scope.spawn(last);
                        if (fails) throw std::runtime_error("failed");
                    });
                }
                if (draw(2) == 0) {
                    const auto result = scope.wait(some_deadline());
                    if (result) {
                        ++ended;
                        expect(living == 0, "a wait ends when all have ended");
                    } else {
                        expect(result.error() == Errc::timed_out || result.error() == Errc::cancelled, "why a wait fails");
                        cancelled += result.error() == Errc::cancelled ? 1 : 0;
                        expect(result.error() == Errc::timed_out || reeve::this_fiber::is_cancelled(), "the owner is");
                    }
                }
            } catch (const std::runtime_error& error) {
                caught = error.what();
            }
            expect(living == 0, "nobody outlives a scope");
        });
        auto canceller = reeve::spawn([&] {
            dawdle();
            owner.cancel();
        });
        canceller.join();
        owner.join();
        expect(started == 4 && spawned == 4, "whoever was spawned has run");
        expect(caught == (fails ? "failed" : ""), "what a child threw is rethrown, once");
        if (waits_for_ever) expect(cut_short == 2, "the owner passes its cancellation on");
        untouched += cut_short == 0 ? 1 : 0;
    });
    if (is_many) check_all_taken({ended, cancelled, untouched});
}

TEST_CASE("schedules: scope, children of children, one that fails, a cancellation", "[scope]") {
    in_all_orders(Time::slips, [] {
        int living = 0;
        int started = 0;
        std::string caught;
        const bool fails = draw(2) == 0;
        const reeve::Channel<int> never;
        try {
            reeve::Scope scope;
            const auto wait = [&] {
                const Counted counted(living);
                ++started;
                expect(never.recv(1ms).error() != Errc::closed, "nobody closes it");
                dawdle();
            };
            scope.spawn([&] {
                const Counted counted(living);
                dawdle();
                scope.spawn(wait);
                if (fails) throw std::runtime_error("first");
            });
            scope.spawn(wait);
            auto canceller = reeve::spawn([&] {
                dawdle();
                scope.cancel();
            });
            if (const auto result = scope.wait(some_deadline()); !result)
                expect(result.error() == Errc::timed_out || result.error() == Errc::cancelled, "why a wait fails");
            canceller.join();
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
        expect(living == 0, "nobody outlives a scope");
        expect(started == 2, "whoever was spawned has run");
        expect(caught == (fails ? "first" : ""), "what a child threw is rethrown, once");
        expect(!reeve::this_fiber::is_cancelled(), "the owner is as before");
    });
}

TEST_CASE("schedules: gather, results in order or the first failure", "[gather]") {
    in_all_orders(Time::exact, [] {
        int living = 0;
        const std::size_t failing = draw(4);  // 3: none
        const auto part = [&](std::size_t number) {
            return [&, number] {
                const Counted counted(living);
                dawdle();
                if (number == failing) throw std::runtime_error("failed");
                (void)reeve::sleep_for(2us);
                return number;
            };
        };
        bool has_failed = false;
        try {
            const auto [a, b, c] = reeve::gather(part(0), part(1), part(2));
            expect(a == 0 && b == 1 && c == 2, "in order");
        } catch (const std::runtime_error&) {
            has_failed = true;
        }
        expect(has_failed == (failing < 3), "it fails when one fails");
        expect(living == 0, "all have ended");
    });
}

TEST_CASE("schedules: gather, cancelled while its parts end", "[gather]") {
    in_all_orders(Time::exact, [] {
        int living = 0;
        auto whole = reeve::spawn([&] {
            const auto part = [&] {
                const Counted counted(living);
                return reeve::sleep_for(2us).has_value() ? 1 : 0;
            };
            const auto [a, b] = reeve::gather(part, part);
            expect(living == 0, "all have ended");
            return a + b;
        });
        (void)reeve::sleep_for(std::chrono::microseconds(1 + draw(2)));
        whole.cancel();
        const int slept = whole.join();
        expect(slept >= 0 && slept <= 2, "each was cancelled or not");
    });
}

TEST_CASE("schedules: race, one wins and all have ended", "[race]") {
    in_all_orders(Time::slips, [] {
        int living = 0;
        std::vector<int> finished;
        const auto runner = [&](int number) {
            return [&, number] {
                const Counted counted(living);
                dawdle();
                (void)reeve::sleep_for(std::chrono::microseconds(draw(3)));
                finished.push_back(number);
                return number;
            };
        };
        auto whole = reeve::spawn([&] { return reeve::race(runner(0), runner(1), runner(2)); });
        if (draw(4) == 0) {
            dawdle();
            whole.cancel();
        }
        const int winner = whole.join();
        expect(living == 0 && finished.size() == 3, "all have ended");
        expect(winner >= 0 && winner < 3, "one of them");
    });
}

TEST_CASE("schedules: race, who fails first wins as well", "[race]") {
    in_all_orders(Time::exact, [] {
        int values = 0;
        int failures = 0;
        bool is_failure = false;
        try {
            const int won = reeve::race(
                [&] {
                    dawdle();
                    ++values;
                    return 1;
                },
                [&]() -> int {
                    dawdle();
                    ++failures;
                    throw std::runtime_error("failed");
                });
            expect(won == 1, "the value");
        } catch (const std::runtime_error&) {
            is_failure = true;
        }
        expect(values == 1 && failures == 1, "both have run to their end");
        (void)is_failure;
    });
}
