// Channel and select in every order of two or three fibers (unchanged sources: waiting.hpp).
#include "tests/model/waiting.hpp"
#include "tests/support/catch.hpp"

using reeve::model::Execution;
using reeve::model::explore;
using reeve_model::Channel;
using reeve_model::Result;
using reeve_model::Waits;
using reeve_model::Who;

namespace {

const auto ignore = [](auto&&...) {};

}  // namespace

// Seen failing with the locks taken in the order of the cases: all wait.
TEST_CASE("select: two that could meet in two channels do, in one of them", "[model]") {
    const auto explored = explore({.switches = 6}, [](Execution& execution) {
        Waits waits({Who::fiber, Who::fiber, Who::fiber});
        Channel<int> one;
        Channel<int> two;
        int got = 0;
        int sent = -1;
        int from = -1;
        execution.thread([&] { sent = select(on_send(one, 5, ignore), on_send(two, 6, ignore)); });
        execution.thread([&] {
            const auto take = [&](Result<int> value) { got += value.value(); };
            from = 1 - select(on_recv(two, take), on_recv(one, take));
        });
        if (!execution.run()) return;
        execution.expect(sent == from && got == 5 + sent, "not the same value, once");
        execution.expect(!one.try_send(1) && !two.try_send(1) && !one.try_recv() && !two.try_recv(), "a place was left");
    });
    CHECK(explored.failure == "");
    CHECK(explored.executions > 100);
}

// Seen failing with the locks released between looking and waiting: all wait.
TEST_CASE("select: two partners at the same time, one of whom gets through", "[model]") {
    const auto explored = explore({.switches = 3}, [](Execution& execution) {
        Waits waits({Who::fiber, Who::fiber, Who::fiber});
        Channel<int> one;
        Channel<int> two;
        int got = 0;
        int sum = 0;
        execution.thread([&] {
            const auto take = [&](Result<int> value) { got += value.value(); };
            const int first = select(on_recv(one, take), on_recv(two, take));
            execution.expect(got == (first == 0 ? 5 : 6), "the wrong case was called");
            select(on_recv(one, take), on_recv(two, take));
        });
        execution.thread([&] {
            select(on_send(one, 5, [&] { sum += 5; }));
        });
        execution.thread([&] {
            if (two.send(6)) sum += 6;
        });
        if (!execution.run()) return;
        execution.expect(got == 11 && sum == 11, "not each value once");
    });
    CHECK(explored.failure == "");
    CHECK(explored.is_thorough());
}

// Seen failing with the locks released between looking and waiting: all wait.
TEST_CASE("select: each sends and receives in one channel, and meets the other", "[model]") {
    const auto explored = explore({.switches = 6}, [](Execution& execution) {
        Waits waits({Who::fiber, Who::fiber, Who::fiber});
        Channel<int> channel;
        int sent = 0;
        int got = 0;
        for (const int value : {1, 2})
            execution.thread([&, value] {
                select(on_recv(channel, [&](Result<int> r) {
                           got += r.value();
                           execution.expect(r.value() != value, "it met itself");
                       }),
                       on_send(channel, value, [&] { sent += value; }));
            });
        if (!execution.run()) return;
        execution.expect(sent == got && (sent == 1 || sent == 2), "not one value, once");
    });
    CHECK(explored.failure == "");
    CHECK(explored.executions > 20);
}

// Seen failing with any place that was out of its queue taken for the claimed one.
TEST_CASE("select: closing, cancelling and sending, one of which ends it", "[model]") {
    const auto explored = explore({.switches = 3}, [](Execution& execution) {
        Waits waits({Who::fiber, Who::fiber, Who::fiber});
        Channel<int> one;
        Channel<int> two;
        int got = 0;
        int sent = 0;
        int ends = 0;
        execution.thread([&] {
            const int index = select(on_recv(one, [&](Result<int> r) { ++ends, got += r ? *r : 0; }),
                                     on_recv(two, [&](Result<int> r) { ++ends, execution.expect(!r, "from nowhere"); }),
                                     reeve_model::on_cancelled([&] { ++ends; }));
            execution.expect(index >= 0 && ends == 1, "not ended once");
            one.close();
        });
        execution.thread([&] {
            if (one.send(7)) sent = 7;
        });
        execution.thread([&] {
            two.close();
            waits.cancel(0);
        });
        if (execution.run()) execution.expect(got == sent, "not once");
    });
    CHECK(explored.failure == "");
    CHECK(explored.is_thorough());
}
