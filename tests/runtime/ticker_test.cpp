// after, Ticker: times, dropped ticks, stopping, several receivers, select; and 100,000 sleepers that are cancelled.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Channel;
using reeve::Errc;
using reeve::on_deadline;
using reeve::Result;
using reeve::Tick;
using reeve::Ticker;
using Clock = std::chrono::steady_clock;

namespace {

const auto ignore = [](auto&&...) {};

}  // namespace

REEVE_TEST("after: one tick, not before its time", "[ticker]") {
    const auto start = Clock::now();
    const Channel<Tick> channel = reeve::after(2ms);
    REEVE_EXPECT(!channel.try_recv());
    const auto tick = channel.recv();
    if (!REEVE_EXPECT(tick)) return;
    REEVE_EXPECT(tick->due >= start + 2ms && Clock::now() >= tick->due);
    REEVE_EXPECT(tick->number == 1u);
    REEVE_EXPECT(channel.recv(1ms).error() == Errc::timed_out);
    REEVE_EXPECT(reeve::after(-1s).try_recv());
    REEVE_EXPECT(reeve::after(reeve::Deadline()).recv(1ms).error() == Errc::timed_out);
}

REEVE_TEST("after: recv's own deadline and a cancellation come first", "[ticker]") {
    const Channel<Tick> channel = reeve::after(1h);
    REEVE_EXPECT(channel.recv(1ms).error() == Errc::timed_out);
    auto waiting = reeve::spawn([channel] { return channel.recv().error() == Errc::cancelled; });
    (void)reeve::sleep_for(1ms);
    waiting.cancel();
    REEVE_EXPECT(waiting.join());
}

// Seen failing with a select that waits for its own deadline only: no end.
REEVE_TEST("after: a case of a select, beside channels and deadlines", "[ticker]") {
    const Channel<int> never;
    Result<Tick> got = Errc::eof;
    const auto take = [&](Result<Tick> tick) { got = tick; };
    REEVE_EXPECT(reeve::select(on_recv(never, ignore), on_recv(reeve::after(1ms), take), on_deadline(20s, ignore)) == 1);
    REEVE_EXPECT(got);
    REEVE_EXPECT(reeve::select(on_recv(never, ignore), on_recv(reeve::after(20s), take), on_deadline(1ms, ignore)) == 2);
    const Channel<int> soon;
    reeve::go([soon] { (void)soon.send(1); });
    REEVE_EXPECT(reeve::select(on_recv(reeve::after(20s), take), on_recv(soon, ignore)) == 1);
}

// Seen failing with next_ns set to the present plus a period: the times are no multiples.
REEVE_TEST("ticker: ticks are multiples of the period, and a slow receiver misses some", "[ticker]") {
    const Ticker ticker(1ms);
    const Tick first = ticker.recv().value();
    (void)reeve::sleep_for(10ms);
    const Tick second = ticker.recv().value();  // the oldest waited
    const Tick third = ticker.recv().value();
    REEVE_EXPECT(first.number == 1u);
    REEVE_EXPECT(second.number > first.number);
    REEVE_EXPECT(third.number >= second.number + 8);
    REEVE_EXPECT(second.due - first.due == (second.number - first.number) * 1ms);
    REEVE_EXPECT(third.due - second.due == (third.number - second.number) * 1ms);
}

// Seen failing with close() not waking who waits: no end.
REEVE_TEST("ticker: stop ends loops and waits", "[ticker]") {
    const Ticker ticker(1ms);
    std::uint64_t last = 0;
    bool rises = true;
    int count = 0;
    for (const Tick tick : ticker) {
        rises = rises && tick.number > last;
        last = tick.number;
        if (++count == 3) ticker.stop();
    }
    REEVE_EXPECT(rises && count == 3);
    REEVE_EXPECT(ticker.recv().error() == Errc::closed);
    REEVE_EXPECT(!ticker.try_recv());
    const Ticker slow(1h);
    auto receiving = reeve::spawn([slow] { return slow.recv().error() == Errc::closed; });
    auto selecting = reeve::spawn([slow] {
        bool was_closed = false;
        reeve::select(on_recv(slow, [&](Result<Tick> tick) { was_closed = !tick && tick.error() == Errc::closed; }));
        return was_closed;
    });
    (void)reeve::sleep_for(1ms);
    slow.stop();
    REEVE_EXPECT(receiving.join());
    REEVE_EXPECT(selecting.join());
}

// Seen failing with the numbers not counted on.
REEVE_TEST("ticker: several receivers, each tick once", "[ticker]") {
    constexpr std::uint64_t k_ticks = 60;
    const Ticker ticker(200us);
    std::vector<std::atomic<int>> seen(100'000);
    std::atomic<std::uint64_t> count{0};
    std::vector<reeve::Join<void>> receivers;
    const auto take = [&](Result<Tick> tick) {
        if (!tick) return;
        if (tick->number < seen.size()) ++seen[tick->number];
        if (++count >= k_ticks) ticker.stop();
    };
    for (int i = 0; i < 4; ++i)
        receivers.push_back(reeve::spawn([&, i] {
            for (bool open = true; open;) {
                const auto each = [&](Result<Tick> tick) {
                    open = tick.has_value();
                    take(tick);
                };
                if (i % 2 == 0)
                    each(ticker.recv());
                else
                    reeve::select(on_recv(ticker, each));
            }
        }));
    for (auto& receiver : receivers) receiver.join();
    int twice = 0;
    for (const auto& times : seen) twice += times.load() > 1 ? 1 : 0;
    REEVE_EXPECT(twice == 0);
    REEVE_EXPECT(count >= k_ticks);
}

TEST_CASE("ticker: in a plain thread without a runtime", "[ticker]") {
    const Ticker ticker(1ms);
    int count = 0;
    for (const Tick tick : ticker)
        if (tick.number > 0 && ++count == 3) ticker.stop();
    CHECK(count == 3);
    CHECK(reeve::after(1ms).recv());
}

// Seen failing without the check: the program ends as if all were well.
TEST_CASE("ticker: a period that is not positive is fatal", "[ticker]") {
    const auto end = reeve::test::run_child({reeve::test::crash_program("ticker_without_period")});
    CHECK((end.signal == SIGABRT || (reeve::test::is_sanitized() && end.exit_status != 0)));
    CHECK(end.err.find("Ticker") != std::string::npos);
}

REEVE_TEST("sleep: a hundred thousand at once, each woken by time or cancelled", "[ticker]") {
    const int sleepers = reeve::test::is_sanitized() ? 5'000 : 100'000;
    std::atomic<int> slept{0};
    std::atomic<int> cancelled{0};
    std::vector<reeve::Join<void>> joins;
    joins.reserve(static_cast<std::size_t>(sleepers));
    for (int i = 0; i < sleepers; ++i)
        joins.push_back(reeve::spawn({.stack_bytes = 64 * 1024}, [&, i] {
            // Every other one sleeps until it is cancelled, and those timers are taken out of the middle of the heaps.
            if (reeve::sleep_for(i % 2 == 0 ? reeve::Duration(1h) : reeve::Duration(std::chrono::microseconds(i % 5'000))))
                ++slept;
            else
                ++cancelled;
        }));
    for (int i = 1; i < sleepers; i += 2) joins[static_cast<std::size_t>(i)].join();
    for (int i = 0; i < sleepers; i += 2) joins[static_cast<std::size_t>(i)].cancel();
    joins.clear();
    REEVE_EXPECT(slept == sleepers / 2);
    REEVE_EXPECT(cancelled == sleepers / 2);
}
