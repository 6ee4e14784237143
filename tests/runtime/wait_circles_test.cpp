// Fibers that wait for each other in a circle are named while the rest goes on (one child each: tests/crash/wait_circle.cpp), and
// none is named that does not stand.
#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "runtime/sched/scheduler.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::test::Child;

namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
    return count;
}

void is_named(const char* kind, const char* verdict, const std::vector<const char*>& words) {
    for (const char* workers : {"REEVE_WORKERS=1", "REEVE_WORKERS=2"}) {
        for (const char* preemption : {"REEVE_PREEMPTION=on", "REEVE_PREEMPTION=off"}) {
            Child child({reeve::test::crash_program("wait_circle"), kind}, {workers, preemption});
            const bool is_told = child.wait_for_text(verdict);
            for (const char* word : words) CHECK(child.wait_for_text(word));
            child.send_signal(SIGKILL);
            child.wait();
            INFO(kind << ", " << workers << ", " << preemption << ": " << child.err());
            CHECK(is_told);
            CHECK(count_of(child.err(), "reeve: ") == 1);
        }
    }
}

// Looks all the time, as the housekeeper does now and then.
class Looks {
public:
    Looks()
        : thread_([this] {
              while (!is_over_) {
                  const std::string text = reeve::sched::Scheduler::active()->wait_circles.report();
                  if (!REEVE_EXPECT(text.empty())) std::fputs(text.c_str(), stderr);
                  ++count_;
              }
          }) {}
    ~Looks() {
        while (count_ == 0) reeve::this_fiber::yield();
        is_over_ = true;
        thread_.join();
    }
    Looks(const Looks&) = delete;
    Looks& operator=(const Looks&) = delete;

private:
    std::atomic<bool> is_over_{false};
    std::atomic<unsigned> count_{0};
    std::thread thread_;
};

constexpr unsigned k_rounds = reeve::test::is_sanitized() ? 300 : 3'000;

}  // namespace

// Seen failing, each one, with its kind of Blocker not set; "handed-over" with the owner not noted at the hand-over; "beside-others"
// with the monitor asking only before it sleeps.
TEST_CASE("circles: fibers that wait for each other are named while others run", "[crash]") {
    is_named("two", "2 fibers wait for each other, for ever", {"'circle 0' waits", "'circle 1' waits", "for the mutex 0x", "Mutex::lock"});
    is_named("three", "3 fibers wait for each other, for ever", {"'circle 0' waits", "'circle 1' waits", "'circle 2' waits"});
    is_named("one", "1 fiber waits for itself, for ever", {"'circle 0' waits", "'circle 0' holds"});
    is_named("shared", "2 fibers wait for each other, for ever", {"'circle 0' waits", "'circle 1' waits", "for the mutex 0x"});
    is_named("handed-over", "2 fibers wait for each other, for ever", {"'circle 0' waits", "'circle 1' waits", "for the mutex 0x"});
    is_named("deadline", "2 fibers wait for each other, until a deadline comes", {"'circle 0' waits", "'circle 1' waits", "ms more"});
    is_named("joins", "2 fibers wait for each other, for ever", {"for the end of fiber"});
    is_named("mixed", "2 fibers wait for each other, for ever", {"'circle 0' waits", "for the end of fiber", "for the mutex 0x"});
    is_named("scope", "2 fibers wait for each other, for ever", {"for the fibers of its scope, with", "for the mutex 0x"});
    is_named("beside-others", "2 fibers wait for each other, for ever", {"'circle 0' waits", "'circle 1' waits"});
}

// Seen failing with `told_` not asked: ten times and more.
TEST_CASE("circles: each is told of once, and in every dump", "[crash]") {
    Child child({reeve::test::crash_program("wait_circle"), "beside-others"}, {"REEVE_WORKERS=2"});
    REQUIRE(child.wait_for_text("over"));
    CHECK(count_of(child.err(), "wait for each other") == 1);
    if (reeve::test::is_thread_sanitized()) {
        WARN("the dump is left out under ThreadSanitizer: it keeps signals back until a call it knows");
    } else {
        child.send_signal(SIGQUIT);
        CHECK(child.wait_for_text("preemption"));  // what follows in the dump
        CHECK(count_of(child.err(), "wait for each other") == 2);
    }
    child.send_signal(SIGKILL);
    child.wait();
}

TEST_CASE("circles: nothing is said when deadlocks are not to be reported", "[crash]") {
    Child child({reeve::test::crash_program("wait_circle"), "beside-others"}, {"REEVE_DEADLOCK=off"});
    REQUIRE(child.wait_for_text("over"));
    CHECK(child.err().empty());
    child.send_signal(SIGKILL);
    child.wait();
}

// Seen failing without the second look, within 20 ms.
TEST_CASE("circles: none is invented where philosophers dine", "[stress]") {
    reeve::test::run_everywhere(
        [] {
            constexpr unsigned k_philosophers = 6;
            std::array<reeve::Mutex, k_philosophers> forks;
            reeve::Semaphore seats(k_philosophers - 1);
            unsigned meals = 0;
            std::atomic<unsigned> eaten{0};
            const Looks looks;
            reeve::Scope scope;
            for (unsigned i = 0; i < k_philosophers; ++i) {
                scope.spawn([&, i] {
                    for (unsigned round = 0; round < k_rounds; ++round) {
                        REEVE_EXPECT(seats.acquire().has_value());
                        const std::lock_guard left(forks[i]);
                        reeve::this_fiber::yield();
                        const std::lock_guard right(forks[(i + 1) % k_philosophers]);
                        ++eaten;
                        seats.release();
                    }
                });
            }
            REEVE_EXPECT(scope.wait().has_value());
            meals = eaten;
            REEVE_EXPECT(meals == k_philosophers * k_rounds);
        },
        [](reeve::Config& config) { config.quantum = 100us; });
}

// Mutexes, joins and scopes that are gone as soon as they were waited for, while somebody looks at who waits for them.
TEST_CASE("circles: what is waited for may go away", "[stress]") {
    reeve::test::run_everywhere(
        [] {
            const Looks looks;
            for (unsigned round = 0; round < k_rounds; ++round) {
                auto mutex = std::make_unique<reeve::Mutex>();
                mutex->lock();
                auto other = reeve::spawn([&] {
                    const std::lock_guard lock(*mutex);
                    reeve::Scope scope;
                    for (int i = 0; i < 3; ++i) scope.spawn([] { reeve::this_fiber::yield(); });
                });
                reeve::this_fiber::yield();
                mutex->unlock();
                other.join();
            }
        },
        [](reeve::Config& config) { config.quantum = 100us; });
}

// Who looks may have seen the wait of a fiber that has ended since: told here without the luck that this takes. Seen failing with
// a look that takes it for granted that who waits has a stack: SIGSEGV.
REEVE_TEST("circles: a record may be another's by now, which has no stack yet", "[circles]") {
    using reeve::sched::FiberState;
    std::atomic<bool> has_run{false};
    {
        const reeve::sched::Entry entry;
        reeve::sched::Fiber& fiber = *reeve::sched::prepare_fiber_for(nullptr, [&has_run] { has_run = true; }).fiber;
        REEVE_EXPECT(fiber.head.load() == nullptr);
        const FiberState::Epoch wait = fiber.state.open(false);
        REEVE_EXPECT(!fiber.state.leave());
        fiber.blocker.store(reeve::sched::Blocker::for_lock(&has_run));
        fiber.phase.store(reeve::sched::Phase::parked);
        REEVE_EXPECT(reeve::sched::Scheduler::active()->wait_circles.report().empty());
        REEVE_EXPECT(fiber.state.end(wait, reeve::sched::Outcome::ready) == FiberState::Ended::yes_and_left);
        fiber.state.reset(false);
        reeve::sched::start_fiber(fiber);
    }
    while (!has_run) reeve::this_fiber::yield();
}
