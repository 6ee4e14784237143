// Channel, select, Ticker and after under explored schedules: no value is lost, none arrives twice, and order is kept.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/schedules/schedules.hpp"

using namespace std::chrono_literals;
using reeve::Channel;
using reeve::Deadline;
using reeve::Errc;
using reeve::on_deadline;
using reeve::Result;
using reeve::Tick;
using reeve::test::check_all_taken;
using reeve::test::dawdle;
using reeve::test::in_all_orders;
using reeve::test::Ledger;
using reeve::test::Time;
using reeve::test::wait_elsewhere;
using reeve::testing::draw;
using reeve::testing::expect;

namespace {

constexpr std::size_t k_each = 3;
constexpr std::size_t k_values = 2 * k_each;

Deadline some_deadline() { return draw(2) == 0 ? Deadline::never() : Deadline::in(std::chrono::microseconds(1 + draw(3))); }

// Senders of one channel, each of ascending values of its own.
struct Receiver {
    void take(Ledger<k_values>& ledger, std::size_t value) {
        ledger.received(value);
        std::size_t& before = last[value / k_each];
        expect(before <= value % k_each, "values of one sender arrive in order");
        before = value % k_each + 1;
    }
    std::size_t last[2] = {0, 0};
};

}  // namespace

TEST_CASE("schedules: channel, with deadlines and closing", "[channel]") {
    in_all_orders(Time::slips, [] {
        const Channel<std::size_t> channel(draw(3));
        Ledger<k_values> ledger;
        Receiver receivers[2];
        {
            reeve::Scope senders;
            reeve::Scope others;
            for (std::size_t s = 0; s < 2; ++s)
                senders.spawn([&, s] {
                    for (std::size_t i = 0; i < k_each; ++i) {
                        const auto result = channel.send(s * k_each + i, some_deadline());
                        if (result) ledger.sent(s * k_each + i);
                        expect(result || result.error() == Errc::timed_out || result.error() == Errc::closed, "why a send fails");
                    }
                });
            for (Receiver& receiver : receivers)
                others.spawn([&] {
                    for (;;) {
                        const auto value = channel.recv(some_deadline());
                        if (value) receiver.take(ledger, *value);
                        if (!value && value.error() == Errc::closed) return;
                        expect(value || value.error() == Errc::timed_out, "why a receive fails");
                    }
                });
            if (draw(2) == 0)
                others.spawn([&] {
                    dawdle();
                    channel.close();
                });
            (void)senders.wait();
            channel.close();
        }
        expect(ledger.agrees(), "each value that was sent arrives once");
    });
}

TEST_CASE("schedules: channel, closed with nobody to receive", "[channel]") {
    in_all_orders(Time::exact, [] {
        const std::size_t room = draw(3);
        const Channel<std::size_t> channel(room);
        std::size_t sent = 0;
        {
            reeve::Scope senders;
            for (std::size_t s = 0; s < 3; ++s)
                senders.spawn([&, s] {
                    const auto result = channel.send(s);
                    expect(result || result.error() == Errc::closed, "why a send fails");
                    sent += result ? 1 : 0;
                });
            dawdle();
            channel.close();
        }
        std::size_t received = 0;
        while (channel.try_recv()) ++received;
        expect(sent == received && sent <= room, "what was sent is in the buffer");
        expect(channel.recv().error() == Errc::closed, "closed and drained");
    });
}

TEST_CASE("schedules: channel, cancelled at the moment it would be served", "[channel]") {
    in_all_orders(Time::exact, [] {
        const Channel<std::size_t> channel(draw(3));
        Ledger<k_values> ledger;
        Receiver receivers[2];
        std::vector<reeve::Join<void>> joins;
        for (std::size_t s = 0; s < 2; ++s)
            joins.push_back(reeve::spawn([&, s] {
                for (std::size_t i = 0; i < k_each; ++i)
                    if (channel.send(s * k_each + i)) ledger.sent(s * k_each + i);
            }));
        for (Receiver& receiver : receivers)
            joins.push_back(reeve::spawn([&] {
                while (const auto value = channel.recv()) receiver.take(ledger, *value);
            }));
        dawdle();
        joins[draw(2)].cancel();
        dawdle();
        joins[2 + draw(2)].cancel();
        joins[0].join();
        joins[1].join();
        channel.close();
        joins.clear();
        while (const auto value = channel.try_recv()) ledger.received(*value);
        expect(ledger.agrees(), "each value that was sent arrives once");
    });
}

TEST_CASE("schedules: select on both sides, with deadlines and a cancellation", "[select]") {
    in_all_orders(Time::slips, [] {
        const Channel<std::size_t> channels[2] = {Channel<std::size_t>(0), Channel<std::size_t>(draw(2))};
        Ledger<k_values> ledger;
        std::vector<reeve::Join<void>> senders;
        std::vector<reeve::Join<void>> receivers;
        for (std::size_t s = 0; s < 2; ++s)
            senders.push_back(reeve::spawn([&, s] {
                for (std::size_t i = 0; i < k_each; ++i) {
                    const std::size_t value = s * k_each + i;
                    int called = 0;
                    const auto note = [&] {
                        ++called;
                        ledger.sent(value);
                    };
                    const int index = reeve::select(on_send(channels[0], value, note), on_send(channels[1], value, note),
                                                    on_deadline(some_deadline(), [&] { ++called; }));
                    expect(called == (index == reeve::k_select_cancelled ? 0 : 1), "one case of a select is chosen");
                }
            }));
        for (int r = 0; r < 2; ++r)
            receivers.push_back(reeve::spawn([&] {
                for (bool goes_on = true; goes_on;) {
                    int called = 0;
                    const auto take = [&](const Result<std::size_t>& value) {
                        ++called;
                        if (value) ledger.received(*value);
                        goes_on = value.has_value();
                    };
                    const int index = reeve::select(on_recv(channels[0], take), on_recv(channels[1], take));
                    expect(called == 1 && index >= 0, "a receive case is told, of a cancellation as well");
                }
            }));
        dawdle();
        if (draw(2) == 0) senders[draw(2)].cancel();
        if (draw(2) == 0) receivers[draw(2)].cancel();
        // Both receivers may be gone before the last value.
        (void)reeve::sleep_for(1ms);
        for (auto& sender : senders) sender.cancel();
        senders.clear();
        for (const auto& channel : channels) channel.close();
        receivers.clear();
        for (const auto& channel : channels)
            while (const auto value = channel.try_recv()) ledger.received(*value);
        expect(ledger.agrees(), "each value that was sent arrives once");
    });
}

TEST_CASE("schedules: ticker, shared by receivers, stopped between ticks", "[ticker]") {
    in_all_orders(Time::exact, [] {
        const std::int64_t start = reeve::now_ns();
        const reeve::Ticker ticker(10us);
        std::array<int, 8> seen{};
        std::vector<reeve::Join<void>> joins;
        for (int r = 0; r < 2; ++r)
            joins.push_back(reeve::spawn([&] {
                while (const auto tick = ticker.recv()) {
                    ++seen[tick->number];
                    expect(reeve::now_ns() - start == static_cast<std::int64_t>(tick->number) * 10'000, "a tick comes at its time");
                }
            }));
        (void)reeve::sleep_for(55us);
        if (draw(2) == 0) joins[0].cancel();
        (void)reeve::sleep_for(15us);
        ticker.stop();
        joins.clear();
        for (std::size_t number = 1; number < 7; ++number) expect(seen[number] == 1, "each tick is received once");
        expect(seen[7] <= 1, "the last one is due when the ticker is stopped");
        expect(reeve::now_ns() - start == 70'000, "sleeping takes its time");
    });
}

TEST_CASE("schedules: after, in a select against a value", "[ticker]") {
    in_all_orders(Time::exact, [] {
        const Channel<int> channel;
        reeve::Scope scope;
        bool has_sent = false;
        scope.spawn([&] {
            (void)reeve::sleep_for(10us);
            has_sent = channel.send(1, 0us).has_value();
        });
        bool has_value = false;
        bool has_tick = false;
        reeve::select(on_recv(channel, [&](Result<int> value) { has_value = value.has_value(); }),
                      on_recv(reeve::after(10us), [&](auto) { has_tick = true; }));
        (void)scope.wait();
        expect(has_value != has_tick, "one of the two");
        expect(has_value == has_sent, "the sender knows what became of its value");
    });
}

TEST_CASE("schedules: ticker, a receiver cancelled when a tick is due", "[ticker]") {
    int ticked = 0;
    int cancelled = 0;
    const bool is_many = in_all_orders(Time::slips, [&] {
        const std::int64_t start = reeve::now_ns();
        const reeve::Ticker ticker(10us);
        std::vector<std::uint64_t> numbers;
        reeve::Event has_second;
        reeve::Event has_ended;
        reeve::Event end;
        const auto take = [&](const Result<Tick>& tick) {
            if (!tick) return;
            numbers.push_back(tick->number);
            expect(reeve::now_ns() - start >= static_cast<std::int64_t>(tick->number) * 10'000, "no tick comes before its time");
        };
        auto hasty = reeve::spawn([&] {
            const auto tick = ticker.recv();
            take(tick);
            ++(tick ? ticked : cancelled);
            expect(tick || tick.error() == Errc::cancelled, "why a receive fails");
            has_ended.set();
            wait_elsewhere(end);
        });
        auto patient = reeve::spawn([&] {
            auto tick = ticker.recv();
            for (; tick; tick = ticker.recv()) {
                take(tick);
                if (tick->number >= 2) has_second.set();
            }
            expect(tick.error() == Errc::closed, "it goes on until it is stopped");
        });
        auto canceller = reeve::spawn([&] {
            // It may begin late, and is no later than the first tick all the same.
            (void)reeve::sleep_until(Deadline::at_ns(start + 9'000 + 1'000 * static_cast<std::int64_t>(draw(2))));
            hasty.cancel();
        });
        canceller.join();
        expect(has_ended.wait().has_value() && has_second.wait().has_value(), "whoever had the first, another tick comes");
        ticker.stop();
        patient.join();
        end.set();
        hasty.join();
        std::sort(numbers.begin(), numbers.end());
        // Nobody has a timer beyond the next tick: so none is dropped.
        for (std::size_t i = 0; i < numbers.size(); ++i) expect(numbers[i] == i + 1, "each tick is received once");
    });
    if (is_many) check_all_taken({ticked, cancelled});
}

TEST_CASE("schedules: after, its receiver cancelled at the moment it is due", "[ticker]") {
    int ticked = 0;
    int cancelled = 0;
    const bool is_many = in_all_orders(Time::slips, [&] {
        const auto due = reeve::after(10us);
        const Channel<int> never;
        const bool selects = draw(2) == 0;
        int received = 0;
        reeve::Event has_ended;
        reeve::Event end;
        auto receiver = reeve::spawn([&] {
            const auto take = [&](const Result<Tick>& tick) {
                received += tick ? 1 : 0;
                ++(tick ? ticked : cancelled);
                expect(tick || tick.error() == Errc::cancelled, "why a receive fails");
            };
            if (selects)
                reeve::select(on_recv(due, take), on_recv(never, [&](auto) { expect(false, "nobody sends"); }));
            else
                take(due.recv());
            has_ended.set();
            wait_elsewhere(end);
        });
        auto canceller = reeve::spawn([&] {
            (void)reeve::sleep_for(std::chrono::microseconds(9 + draw(2)));
            receiver.cancel();
        });
        canceller.join();
        expect(has_ended.wait().has_value(), "it waits no longer");
        (void)reeve::sleep_for(10us);
        const bool is_left = due.try_recv().has_value();
        due.close();
        end.set();
        receiver.join();
        expect(received + (is_left ? 1 : 0) == 1, "the tick is received, or still there");
    });
    if (is_many) check_all_taken({ticked, cancelled});
}
