// Cancel tokens, with_cancel, with_deadline, Shield and sleep under explored schedules: a wait ends in one way, and then it is over.
#include <optional>
#include <vector>

#include "tests/schedules/schedules.hpp"

using namespace std::chrono_literals;
using reeve::CancelSource;
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

TEST_CASE("schedules: with_cancel, the token against the value", "[cancel]") {
    in_all_orders(Time::exact, [] {
        const reeve::Channel<int> channel;
        const CancelSource above;
        const CancelSource source(above.token());
        bool was_sent = false;
        const bool is_sent = draw(2) == 0;
        reeve::Scope scope;
        scope.spawn([&] {
            dawdle();
            (draw(2) == 0 ? above : source).cancel(Error(Errc::cancelled, "not wanted"));
        });
        scope.spawn([&] {
            dawdle();
            was_sent = is_sent && channel.send(7, 5us).has_value();
        });
        dawdle();
        const auto value = reeve::with_cancel(source.token(), [&] { return channel.recv(); });
        expect(!reeve::this_fiber::is_cancelled(), "as before");
        expect(value || value.error() == Errc::cancelled, "a value or the cancellation");
        (void)scope.wait();
        expect(was_sent == value.has_value(), "the sender knows what became of its value");
        expect(source.is_cancelled() && source.token().cause()->operation() == std::string_view("not wanted"), "the cause");
        expect(reeve::sleep_for(1us).has_value(), "a later wait is not ended");
    });
}

TEST_CASE("schedules: cancel token, causes and waits in a tree", "[cancel]") {
    in_all_orders(Time::slips, [] {
        const CancelSource root;
        std::vector<CancelSource> leaves{CancelSource(root.token()), CancelSource(root.token())};
        constexpr const char* k_causes[] = {"first", "second"};
        reeve::Scope scope;
        int woken = 0;
        for (const CancelSource& leaf : leaves)
            scope.spawn([&, token = leaf.token()] {
                auto result = token.wait(3us);
                if (!result && result.error() == Errc::timed_out) result = token.wait();
                expect(result && token.is_cancelled(), "a wait ends when it is cancelled");
                ++woken;
            });
        for (const char* cause : k_causes)
            scope.spawn([&, cause] {
                dawdle();
                root.cancel(Error(Errc::cancelled, cause));
            });
        scope.spawn([&] {
            dawdle();
            const CancelSource late(root.token());  // made and dropped while others cancel
            expect(late.token().wait().has_value(), "what is below is cancelled, if not at once");
        });
        (void)scope.wait();
        expect(woken == 2, "all waits have ended");
        const char* const cause = root.token().cause()->operation();
        for (const CancelSource& leaf : leaves) expect(leaf.token().cause()->operation() == cause, "one cause for all");
    });
}

TEST_CASE("schedules: with_deadline, the deadline against the value", "[cancel]") {
    in_all_orders(Time::slips, [] {
        const reeve::Channel<int> channel;
        bool was_sent = false;
        reeve::Scope scope;
        scope.spawn([&] {
            (void)reeve::sleep_for(2us);
            was_sent = channel.send(7, 2us).has_value();
        });
        const auto value = reeve::with_deadline(2us, [&] { return channel.recv(); });
        expect(value || value.error() == Errc::timed_out, "a value or the deadline");
        (void)scope.wait();
        expect(was_sent == value.has_value(), "the sender knows what became of its value");
        expect(reeve::this_fiber::deadline().is_never() && reeve::sleep_for(1us).has_value(), "later waits are not bounded");
    });
}

TEST_CASE("schedules: shield, a cleanup is not ended and the rest is", "[cancel]") {
    in_all_orders(Time::slips, [] {
        bool was_clean = false;
        bool was_cancelled = false;
        auto fiber = reeve::spawn([&] {
            dawdle();
            {
                const reeve::Shield shield;
                was_clean = reeve::sleep_for(2us).has_value();
            }
            dawdle();
            was_cancelled = reeve::Channel<int>().recv().error() == Errc::cancelled;
        });
        auto canceller = reeve::spawn([&] { fiber.cancel(); });
        canceller.join();
        fiber.join();
        expect(was_clean, "a shielded wait goes on");
        expect(was_cancelled, "the next one does not");
    });
}

TEST_CASE("schedules: sleep, cancelled when it ends", "[sleep]") {
    in_all_orders(Time::exact, [] {
        const std::int64_t start = reeve::now_ns();
        auto sleeper = reeve::spawn([&] {
            const bool has_slept = reeve::sleep_for(5us).has_value();
            const std::int64_t slept_ns = reeve::now_ns() - start;
            expect(slept_ns == 5'000 || (!has_slept && slept_ns == 4'000), "no longer and no shorter");
            return has_slept;
        });
        const std::int64_t nap_us = 4 + static_cast<std::int64_t>(draw(2));
        (void)reeve::sleep_for(std::chrono::microseconds(nap_us));
        sleeper.cancel();
        if (nap_us == 4) expect(!sleeper.join(), "cancelled before its end");
    });
}

TEST_CASE("schedules: cancel token, who waits for it is cancelled while it is", "[cancel]") {
    int told = 0;
    int cancelled = 0;
    int timed_out = 0;
    const bool is_many = in_all_orders(Time::slips, [&] {
        const CancelSource above;
        const CancelSource source(above.token());
        const reeve::CancelToken token = source.token();
        reeve::Event end;
        bool is_told = false;
        bool is_cancelled = false;
        const auto wait = [&](Deadline deadline) {
            const bool was_told = is_told;
            const auto result = token.wait(deadline);
            if (result) {
                ++told;
                expect(token.is_cancelled(), "a wait ends when it is cancelled");
            } else {
                ++(result.error() == Errc::cancelled ? cancelled : timed_out);
                expect(!was_told, "one that is cancelled already is not waited for");
                if (result.error() == Errc::cancelled)
                    expect(is_cancelled, "who was not cancelled waits on");
                else
                    expect(result.error() == Errc::timed_out && deadline.has_passed(), "why a wait fails");
            }
            wait_elsewhere(end);
            expect(token.wait().has_value(), "that it is cancelled is told to who is cancelled, too");
        };
        auto victim = reeve::spawn([&] { wait(draw(2) == 0 ? Deadline::in(3us) : Deadline::never()); });
        auto hasty = reeve::spawn([&] { wait(Deadline::in(3us)); });
        auto patient = reeve::spawn([&] {
            expect(token.wait().has_value(), "nobody ends this wait");
        });
        auto teller = reeve::spawn([&] {
            (void)reeve::sleep_for(std::chrono::microseconds(draw(2) * 3));
            (draw(2) == 0 ? above : source).cancel();
            is_told = true;
        });
        auto canceller = reeve::spawn([&] {
            (void)reeve::sleep_for(std::chrono::microseconds(draw(2) * 3));
            is_cancelled = true;
            victim.cancel();
        });
        teller.join();
        canceller.join();
        patient.join();
        end.set();
        victim.join();
        hasty.join();
    });
    if (is_many) check_all_taken({told, cancelled, timed_out});
}

TEST_CASE("schedules: with_cancel, in a fiber that is cancelled itself meanwhile", "[cancel]") {
    int sent_in_time = 0;
    int cancelled = 0;
    int timed_out = 0;
    const bool is_many = in_all_orders(Time::slips, [&] {
        const reeve::Channel<int> channel;
        const CancelSource source;
        bool was_sent = false;
        bool is_told = false;
        auto receiver = reeve::spawn([&] {
            const auto value =
                reeve::with_cancel(source.token(), [&] { return reeve::with_deadline(3us, [&] { return channel.recv(); }); });
            ++(value ? sent_in_time : value.error() == Errc::cancelled ? cancelled : timed_out);
            expect(value || value.error() != Errc::closed, "why a wait fails");
            expect(reeve::this_fiber::deadline().is_never(), "later waits are not bounded");
            if (is_told) expect(reeve::this_fiber::is_cancelled(), "whatever ended the wait, the fiber is cancelled");
            expect(reeve::Channel<int>().recv().error() == Errc::cancelled, "for good");
            return value.has_value();
        });
        auto canceller = reeve::spawn([&] {
            dawdle();
            receiver.cancel();
            is_told = true;
        });
        auto teller = reeve::spawn([&] {
            dawdle();
            source.cancel();
        });
        auto sender = reeve::spawn([&] {
            dawdle();
            was_sent = channel.send(7, 3us).has_value();
        });
        canceller.join();
        teller.join();
        sender.join();
        expect(receiver.join() == was_sent, "the sender knows what became of its value");
    });
    if (is_many) check_all_taken({sent_in_time, cancelled, timed_out});
}

TEST_CASE("schedules: cancel token, the cause that was told stays, its own deadline or one that comes later", "[cancel]") {
    in_all_orders(Time::slips, [] {
        const CancelSource above;
        const CancelSource source(above.token(), 2us);
        auto canceller = reeve::spawn([&] {
            (void)reeve::sleep_for(std::chrono::microseconds(1 + draw(3)));
            (draw(2) == 0 ? above : source).cancel();
        });
        (void)source.token().wait();
        const Errc first = source.token().cause()->code();
        canceller.join();
        expect(source.token().cause()->code() == first, "the first cause counts");
    });
}
