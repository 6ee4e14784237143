// The kit for tests: a clock that costs no time, orders drawn from a seed, failures that come again.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/no_preempt.hpp"
#include "runtime/runtime.hpp"
#include "runtime/testing.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::now_ns;
using reeve::test::crash_program;
using reeve::test::run_child;
using reeve::testing::expect;
using reeve::testing::explore;
using reeve::testing::Explored;
using reeve::testing::run_seeded;

namespace {

constexpr std::int64_t k_hour_ns = 3'600'000'000'000;

// Runs `body` by the virtual clock; what it expects is checked here.
void by_virtual_clock(const std::function<void()>& body) {
    std::string failure;
    reeve::Config config = reeve::Config::from_env();
    config.clock = reeve::Clock::virtual_time;
    config.workers = 4;  // one is made of it
    reeve::run(config, [&] {
        try {
            body();
        } catch (const std::exception& error) {
            failure = error.what();
        }
    });
    CHECK(failure == "");
}

void must(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

std::string seed_in(const std::string& text) {
    const std::string mark = "REEVE_SEED=";
    const std::size_t at = text.find(mark);
    if (at == std::string::npos) return "";
    const std::size_t from = at + mark.size();
    return text.substr(from, text.find_first_not_of("0123456789", from) - from);
}

}  // namespace

TEST_CASE("virtual clock: a day of sleeping costs nothing, and is exact", "[testing]") {
    by_virtual_clock([] {
        const std::int64_t start = now_ns();
        std::vector<int> order;
        {
            reeve::Scope scope;
            for (const int hour : {3, 1, 2})
                scope.spawn([&, hour] {
                    must(reeve::sleep_for(std::chrono::hours(hour)).has_value(), "a sleep");
                    must(now_ns() - start == hour * k_hour_ns, "it wakes at its time");
                    order.push_back(hour);
                });
        }
        must(order == std::vector<int>{1, 2, 3}, "in the order of time");
        must(now_ns() - start == 3 * k_hour_ns, "the longest, not the sum");
        const reeve::Ticker ticker(1h);
        for (int i = 1; i <= 24; ++i) must(ticker.recv().value().number == static_cast<std::uint64_t>(i), "each tick");
        must(now_ns() - start == 27 * k_hour_ns, "ticks take their time");
    });
}

TEST_CASE("virtual clock: deadlines pass when all wait, and not before", "[testing]") {
    by_virtual_clock([] {
        const std::int64_t start = now_ns();
        const reeve::Channel<int> channel;
        must(channel.recv(1h).error() == Errc::timed_out && now_ns() - start == k_hour_ns, "a deadline");
        must(reeve::with_deadline(1h, [&] { return channel.recv(); }).error() == Errc::timed_out, "the fiber's own");
        const reeve::CancelSource source(reeve::Deadline::in(1h));
        must(source.token().wait().has_value() && now_ns() - start == 3 * k_hour_ns, "a token's");
        const reeve::Deadline soon(1ns);
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < 100'000; ++i) sum += i;
        must(sum != 0 && !soon.has_passed(), "computing takes no time");
        auto sender = reeve::spawn([&] { must(channel.send(1, 1ns).has_value(), "in time"); });
        reeve::this_fiber::yield();
        must(channel.recv(1ns).has_value() && !soon.has_passed(), "nor does a hand-over");
        sender.join();
    });
}

TEST_CASE("virtual clock: stands still while the kernel has a request, which its deadline ends all the same", "[testing]") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    by_virtual_clock([&] {
        reeve::Fd reading(ends[0]);
        reeve::Fd writing(ends[1]);
        const std::int64_t start = now_ns();
        std::byte buffer[1];
        must(reading.read(buffer, 5ms).error() == Errc::timed_out, "nobody writes");
        must(now_ns() - start == 5'000'000, "its time has passed");
        reeve::Scope scope;
        scope.spawn([&] {
            must(reading.read(buffer).has_value(), "somebody writes");
            must(now_ns() - start == 5'000'000, "real time does not count");
        });
        scope.spawn([] { (void)reeve::sleep_for(1h); });
        std::thread writer([&] {
            ::usleep(2'000);
            must(::write(writing.get(), "x", 1) == 1, "a byte");
        });
        must(scope.wait().has_value() && now_ns() - start == 5'000'000 + k_hour_ns, "and afterwards it goes on");
        writer.join();
    });
}

TEST_CASE("virtual clock: a plain thread waits in real time", "[testing]") {
    by_virtual_clock([] {
        reeve::Semaphore none(0);
        std::atomic<bool> has_timed_out{false};
        std::thread thread([&] { has_timed_out = none.acquire(2ms).error() == Errc::timed_out; });
        thread.join();
        must(has_timed_out, "it gives up");
    });
}

TEST_CASE("virtual clock: a deadlock is told of, under a seed, too", "[testing][crash]") {
    if (reeve::test::is_thread_sanitized()) {
        WARN("left out under ThreadSanitizer: with its thread in the process nothing is said");
        return;
    }
    for (const char* setting : {"REEVE_CLOCK=virtual", "REEVE_SEED=7"}) {
        const auto end = run_child({crash_program("deadlock"), "mutex"}, {setting});
        INFO(setting << ": " << end.err);
        CHECK(end.exit_status == reeve::k_deadlock_exit_status);
    }
}

TEST_CASE("explore: comes upon every order of three fibers, and of the steps of two", "[testing]") {
    for (const std::string names : {"abc", "ab"}) {
        std::set<std::string> orders;
        const Explored explored = explore({.schedules = 5'000}, [&] {
            std::string order;
            reeve::Scope scope;
            for (const char name : names)
                scope.spawn([&, name] {
                    order += name;
                    if (names.size() == 3) return;
                    reeve::testing::point();
                    order += name;
                });
            (void)scope.wait();
            orders.insert(order);
        });
        CHECK(explored.failure == "");
        CHECK(explored.schedules == 5'000);
        CHECK(orders.size() == 6);
    }
}

TEST_CASE("explore: what fails a schedule ends the exploration, with a seed that does it again", "[testing]") {
    const auto fails = [](const char* failure, const std::function<void()>& body, std::uint64_t steps = 1'000'000) {
        const Explored first = explore({.steps_max = steps}, body);
        INFO(failure);
        CHECK(first.failure.find(failure) != std::string::npos);
        CHECK(first.schedules <= 1'000);
        if (steps != 1'000'000) return;
        const Explored again = run_seeded(first.seed, body);
        CHECK(again.failure == first.failure);
        CHECK(again.trace == first.trace);
    };
    fails("lost", [] {
        int count = 0;
        reeve::Scope scope;
        const auto add = [&] {
            const int seen = count;
            reeve::testing::point();
            count = seen + 1;
        };
        scope.spawn(add);
        scope.spawn(add);
        (void)scope.wait();
        expect(count == 2, "lost");
    });
    fails("deadlock: 1 'schedule' in the end of a scope, 2 'left' in mutex, 3 'right' in mutex", [] {
        reeve::Mutex one;
        reeve::Mutex two;
        const auto lock = [](reeve::Mutex& first, reeve::Mutex& second) {
            const std::lock_guard outer(first);
            const std::lock_guard inner(second);
        };
        reeve::Scope scope;
        scope.spawn({.name = "left"}, [&] { lock(one, two); });
        scope.spawn({.name = "right"}, [&] { lock(two, one); });
    });
    // The check and the wait are not one step.
    fails("deadlock", [] {
        reeve::Mutex mutex;
        reeve::Condition changed;
        bool is_set = false;
        reeve::Scope scope;
        scope.spawn([&] {
            std::unique_lock lock(mutex);
            if (!is_set) (void)changed.wait(lock);
        });
        is_set = true;  // without the mutex
        changed.notify_one();
        (void)scope.wait();
    });
    fails("the body threw: by chance", [] {
        if (reeve::testing::draw(50) == 0) throw std::runtime_error("by chance");
    });
    fails("left behind, waiting: 2 in channel recv", [] {
        reeve::go([] { (void)reeve::Channel<int>().recv(); });
    });
    fails("no end after 5000 steps", [] {
        while (!reeve::this_fiber::is_cancelled()) reeve::this_fiber::yield();
    }, 5'000);
}

TEST_CASE("explore: time may slip, if that is wanted", "[testing]") {
    const auto late = [](bool lets_time_slip) {
        int late_schedules = 0;
        const Explored explored = explore({.schedules = 500, .lets_time_slip = lets_time_slip}, [&] {
            const reeve::Channel<int> channel(1);
            auto sender = reeve::spawn([&] {
                for (int i = 0; i < 5; ++i) reeve::this_fiber::yield();
                (void)channel.send(1);
            });
            late_schedules += channel.recv(1us) ? 0 : 1;
        });
        CHECK(explored.failure == "");
        return late_schedules;
    };
    CHECK(late(false) == 0);
    CHECK(late(true) > 0);
}

TEST_CASE("explore: nobody else runs in NoPreempt, nor while a call blocks", "[testing]") {
    const Explored explored = explore({.schedules = 1'000}, [] {
        const reeve::Channel<int> channel(4);
        int turn = 0;
        reeve::Scope scope;
        for (int f = 1; f <= 2; ++f)
            scope.spawn([&, f] {
                {
                    const reeve::NoPreempt together;
                    turn = f;
                    channel.try_send(f);
                    reeve::testing::point();
                    expect(turn == f, "in NoPreempt");
                }
                turn = f;
                reeve::blocking([] { ::usleep(1); });
                (void)channel.recv(1ms);
            });
        scope.spawn([&] { (void)channel.recv(1ms); });
        (void)scope.wait();
    });
    CHECK(explored.failure == "");
}

TEST_CASE("explore: a seed is the same schedule in every process", "[testing]") {
    const auto first = run_child({crash_program("schedule"), "traces"});
    const auto second = run_child({crash_program("schedule"), "traces"}, {"SOMETHING=that moves the stack a little"});
    INFO(first.err);
    CHECK(first.exit_status == 0);
    CHECK(first.out == second.out);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < first.out.size(); at = first.out.find('\n', at) + 1)
        lines.push_back(first.out.substr(at, first.out.find('\n', at) - at));
    REQUIRE(lines.size() == 5);
    CHECK(lines[0] == lines[2]);
    CHECK(lines[1] == lines[4]);
    CHECK(lines[0] != lines[1]);
    CHECK(lines[0] != lines[3]);
}

TEST_CASE("explore: the seed of a failure is printed, and REEVE_SEED replays it", "[testing][crash]") {
    const auto first = run_child({crash_program("schedule"), "lost"});
    INFO(first.err);
    CHECK(first.exit_status == 1);
    const std::string seed = seed_in(first.err);
    REQUIRE(seed != "");
    const auto again = run_child({crash_program("schedule"), "lost"}, {"REEVE_SEED=" + seed});
    CHECK(again.exit_status == 1);
    CHECK(again.out == "1 an update is lost\n");
    const auto few = run_child({crash_program("schedule"), "lost"}, {"REEVE_SCHEDULES=1"});
    CHECK(few.out == "1 \n");
}

TEST_CASE("explore: whatever ends the process, the seed is printed", "[testing][crash]") {
    for (const char* kind : {"abort", "throw"}) {
        const auto end = run_child({crash_program("schedule"), kind});
        INFO(kind << ": " << end.err);
        CHECK(end.signal == SIGABRT);
        const std::string seed = seed_in(end.err);
        CHECK(seed != "");
        CHECK(run_child({crash_program("schedule"), kind}, {"REEVE_SEED=" + seed}).signal == SIGABRT);
    }
}
