// What ends a wait (a waker, the clock, a cancellation) in every order, for each primitive (unchanged sources: waiting.hpp).
//
// Model thread 0 is who waits and may be cancelled or run out of time; everything is run with all as fibers, as plain threads,
// and with a fiber that is woken by threads.
#include <array>

#include "tests/model/waiting.hpp"
#include "tests/support/catch.hpp"

using reeve::model::Execution;
using reeve::model::explore;
using reeve_model::k_soon;
using reeve_model::Result;
using reeve_model::sched::FiberState;
using reeve_model::Waits;
using reeve_model::Who;

namespace {

constexpr auto k_fiber = Who::fiber;
constexpr auto k_thread = Who::thread;

// Runs the model for every sort of waiters and, if it uses `end`, with both ends that nobody brings about who waits for it.
template <class Body>
void in_every_order(unsigned switches, Body body) {
    for (const auto& who : {std::array{k_fiber, k_fiber}, std::array{k_thread, k_thread}, std::array{k_fiber, k_thread}})
        for (const bool times_out : {false, true}) {
            const auto explored = explore({.switches = switches}, [&](Execution& execution) {
                Waits waits({who[0], who[1], who[1], who[1]});
                const auto end_wait = [&] { times_out ? waits.let_time_pass() : waits.cancel(0); };
                if (body(execution, end_wait)) execution.expect(waits.is_tidy(), "something is left of a wait");
            });
            INFO((who[0] == k_fiber ? "a fiber" : "a thread") << " among " << (who[1] == k_fiber ? "fibers" : "threads") << ", "
                                                            << (times_out ? "timed out" : "cancelled"));
            CHECK(explored.failure == "");
            CHECK(explored.executions > 10);
        }
}

}  // namespace

// Seen failing with park_fiber() not disarming its timer: something is left of a wait. With park_thread() returning when time is
// up though another has claimed the wait: a check fails. With leave() answered by nobody: all wait. With wait_in() leaving the
// waiter in its queue: it crashes.
TEST_CASE("waiting: a waker, an end, and the next wait, which none of them touches", "[model]") {
    in_every_order(3, [](Execution& execution, const auto& end_wait) {
        reeve_model::SpinLock lock;
        reeve_model::sched::WaitQueue queue;
        bool has_opened = false;
        bool was_woken = false;
        bool goes_on = false;
        execution.thread([&] {
            lock.lock();
            has_opened = true;
            const auto first = wait_in(queue, lock, "first", k_soon);
            execution.expect(first.has_value() == was_woken, "not what the waker did");
            execution.expect(queue.is_empty(), "still in its queue");
            // Not cancellable, and never: only who wakes this one ends it.
            reeve_model::sched::Wait second("second", reeve_model::sched::Cancellable::no);
            goes_on = true;
            if (second->claim(reeve_model::sched::Outcome::closed)) second->ready();
            execution.expect(second.park({}) == reeve_model::sched::Outcome::closed, "the next wait was ended by another");
        });
        execution.thread([&] {
            reeve::model::block_until([&] { return has_opened; });
            reeve_model::sched::Waiter* waiter;
            {
                reeve_model::SpinGuard guard(lock);
                waiter = queue.claim_first();
                was_woken = waiter != nullptr;
            }
            if (!waiter) return;
            execution.expect(!goes_on, "it went on before it was ready");
            waiter->ready();
        });
        execution.thread(end_wait);
        return execution.run();
    });
}

// Seen failing with the waiter that gives up left in its queue: a check fails. And with unlock_slowly() making the mutex uncontended
// though more wait: all wait.
TEST_CASE("waiting: mutex: handed over, or given up", "[model]") {
    in_every_order(2, [](Execution& execution, const auto& end_wait) {
        reeve_model::Mutex mutex;
        int inside = 0;
        const auto use_and_unlock = [&] {
            execution.expect(++inside == 1, "two are inside");
            (void)mutex.try_lock();  // an access: somebody else's turn
            --inside;
            mutex.unlock();
        };
        mutex.lock();
        execution.thread([&] {
            if (mutex.lock(k_soon)) use_and_unlock();
        });
        execution.thread(use_and_unlock);
        execution.thread([&] {
            mutex.lock();
            use_and_unlock();
        });
        execution.thread(end_wait);
        if (!execution.run()) return false;
        execution.expect(mutex.try_lock(), "it stays locked");
        return true;
    });
}

// Seen failing with a writer that gives up not letting in the readers behind it: all wait.
TEST_CASE("waiting: shared mutex: a writer between readers is let in, or gives up", "[model]") {
    const bool stays = GENERATE(false, true);  // the first reader, until the second is in
    in_every_order(2, [=](Execution& execution, const auto& end_wait) {
        reeve_model::SharedMutex mutex;
        int writers = 0;
        int readers = 1;
        bool second_is_in = false;
        mutex.lock_shared();
        execution.thread([&] {
            if (!mutex.lock(k_soon)) return;
            execution.expect(++writers == 1 && readers == 0, "a writer beside others");
            --writers;
            mutex.unlock();
        });
        execution.thread([&] {
            mutex.lock_shared();
            second_is_in = true;
            execution.expect(writers == 0, "a reader beside a writer");
            ++readers;
            (void)mutex.try_lock();
            --readers;
            mutex.unlock_shared();
        });
        execution.thread([&] {
            end_wait();
            if (stays) reeve::model::block_until([&] { return second_is_in; });
            --readers;
            mutex.unlock_shared();
        });
        if (!execution.run()) return false;
        execution.expect(second_is_in && mutex.try_lock(), "it stays locked");
        return true;
    });
}

// Seen failing with acquire() giving up without granting to those behind it: all wait. And with grant() taking the units before
// the claim: some are lost.
TEST_CASE("waiting: semaphore: units are neither lost nor given twice", "[model]") {
    const bool stays = GENERATE(false, true);  // as it is, until the smaller request has been granted
    in_every_order(2, [=](Execution& execution, const auto& end_wait) {
        reeve_model::Semaphore units(1);
        std::size_t taken = 0;
        execution.thread([&] {
            if (units.acquire(2, k_soon)) taken += 2;
        });
        execution.thread([&] {
            if (units.acquire(1)) taken += 1;
        });
        execution.thread([&] {
            end_wait();
            if (stays) reeve::model::block_until([&] { return taken != 0; });
            units.release(2);
        });
        if (!execution.run()) return false;
        execution.expect(units.available() + taken == 3, "not as many as there were");
        execution.expect(taken == 1 || taken == 3, "one waits though it need not");
        return true;
    });
}

// Seen failing with Event::set() waking one of its waiters: all wait.
TEST_CASE("waiting: event, latch, wait group, future: whoever waits goes on, the one who gives up as well", "[model]") {
    const auto model = [](auto make, auto wait, auto open) {
        in_every_order(2, [=](Execution& execution, const auto& end_wait) {
            auto object = make();
            bool is_open = false;
            execution.thread([&] {
                const bool has_waited = wait(*object, k_soon).has_value();
                execution.expect(!has_waited || is_open, "gone on too soon");
            });
            execution.thread([&] { execution.expect(wait(*object, reeve_model::Deadline()).has_value() && is_open, "not waited"); });
            execution.thread([&] {
                is_open = true;
                open(*object);
            });
            execution.thread(end_wait);
            return execution.run();
        });
    };
    const auto wait = [](auto& object, reeve_model::Deadline deadline) { return object.wait(deadline); };
    SECTION("event") {
        model([] { return std::make_unique<reeve_model::Event>(); }, wait, [](auto& event) { event.set(); });
    }
    SECTION("latch") {
        model([] { return std::make_unique<reeve_model::Latch>(1); }, wait, [](auto& latch) { latch.count_down(); });
    }
    SECTION("wait group") {
        const auto make = [] {
            auto group = std::make_unique<reeve_model::WaitGroup>();
            group->add(1);
            return group;
        };
        model(make, wait, [](auto& group) { group.add(-1); });
    }
    SECTION("future") {
        model([] { return std::make_unique<reeve_model::Promise<int>>(); },
              [](auto& promise, reeve_model::Deadline deadline) { return promise.get_future().get(deadline); },
              [](auto& promise) { promise.set_value(7); });
    }
}

// Seen failing with a party that gives up not looking whether its round has ended meanwhile: one passes alone.
TEST_CASE("waiting: barrier: both pass, or neither", "[model]") {
    in_every_order(3, [](Execution& execution, const auto& end_wait) {
        reeve_model::Barrier barrier(2);
        std::array<bool, 2> passed{};
        execution.thread([&] { passed[0] = barrier.arrive_and_wait(k_soon).has_value(); });
        execution.thread([&] { passed[1] = barrier.arrive_and_wait().has_value(); });
        execution.thread(end_wait);
        if (!execution.run()) return false;
        execution.expect(passed[0] == passed[1], "one passes alone");
        execution.expect(passed[0] != barrier.is_closed(), "closed after all passed, or open though one left");
        return true;
    });
}

// Seen failing with a wait that begins after the mutex was let go, and with notify_one() giving up at a waiter it could not claim:
// all wait.
TEST_CASE("waiting: condition: a notification is not lost with one who gives up", "[model]") {
    in_every_order(1, [](Execution& execution, const auto& end_wait) {
        reeve_model::Mutex mutex;
        reeve_model::Condition changed;
        bool has_changed = false;
        execution.thread([&] {
            std::unique_lock lock(mutex);
            if (!has_changed && changed.wait(lock, k_soon)) changed.notify_one();  // passed on
        });
        execution.thread([&] {
            std::unique_lock lock(mutex);
            while (!has_changed) (void)changed.wait(lock);
        });
        execution.thread([&] {
            {
                const std::unique_lock lock(mutex);
                has_changed = true;
            }
            changed.notify_one();
        });
        execution.thread(end_wait);
        if (!execution.run()) return false;
        execution.expect(mutex.try_lock(), "it stays locked");
        return true;
    });
}

// Seen failing with end() waking one of its waiters: all wait.
TEST_CASE("waiting: once: it is run once, and who waits for it goes on", "[model]") {
    in_every_order(2, [](Execution& execution, const auto& end_wait) {
        reeve_model::Once once;
        int runs = 0;
        const auto run = [&] { ++runs; };
        execution.thread([&] { execution.expect(!once.call(run, k_soon) || runs == 1, "gone on too soon"); });
        for (int i = 0; i < 2; ++i)
            execution.thread([&] {
                once.call(run);
                execution.expect(runs == 1, "gone on too soon");
            });
        execution.thread(end_wait);
        if (!execution.run()) return false;
        execution.expect(runs == 1 && once.is_done(), "not run once");
        return true;
    });
}

// Seen failing with give_up() leaving the waiter in its queue: it crashes.
TEST_CASE("waiting: channel: a receiver, a sender, closing, and an end", "[model]") {
    const auto receive = [](std::size_t capacity, unsigned switches) {
        in_every_order(switches, [=](Execution& execution, const auto& end_wait) {
            const reeve_model::Channel<int> channel(capacity);
            int got = 0;
            int sent = 0;
            execution.thread([&] {
                if (const auto value = channel.recv(k_soon)) got += *value;
            });
            execution.thread([&] {
                if (channel.send(5)) sent = 5;
            });
            execution.thread([&] { channel.close(); });
            execution.thread(end_wait);
            if (!execution.run()) return false;
            const auto left = channel.try_recv();
            execution.expect(got + left.value_or(0) == sent, "not what was sent, once");
            return true;
        });
    };
    SECTION("hand to hand") { receive(0, 2); }
    SECTION("with a buffer") { receive(1, 2); }
}

// Seen failing with a send that timed out called a success: not what was sent.
TEST_CASE("waiting: channel: a sender that gives up has sent nothing", "[model]") {
    for (const std::size_t capacity : {0U, 1U})
        in_every_order(3, [=](Execution& execution, const auto& end_wait) {
            const reeve_model::Channel<int> channel(capacity);
            int sent = 0;
            int got = 0;
            if (capacity != 0 && channel.try_send(1)) sent = 1;
            execution.thread([&] {
                if (channel.send(2, k_soon)) sent += 2;
            });
            execution.thread([&] {
                if (const auto value = channel.try_recv()) got += *value;
                if (const auto value = channel.try_recv()) got += *value;
            });
            execution.thread(end_wait);
            if (!execution.run()) return false;
            while (const auto value = channel.try_recv()) got += *value;
            execution.expect(got == sent, "not what was sent, once");
            return true;
        });
}

// Seen failing with detach() not taking its mark back: the next wait is ended, too.
TEST_CASE("waiting: cancel token: attached, and gone afterwards", "[model]") {
    in_every_order(2, [](Execution& execution, const auto& end_wait) {
        const reeve_model::CancelSource outer;
        const reeve_model::CancelSource inner(outer.token());
        reeve_model::Event open;
        reeve_model::Event next;
        bool is_open = false;
        bool is_over = false;
        execution.thread([&] {
            const auto ended = with_cancel(inner.token(), [&] { return open.wait(k_soon); });
            execution.expect(!ended || is_open, "gone on too soon");
            is_over = true;
            const bool is_cancelled_for_good = !next.wait();
            execution.expect(!is_cancelled_for_good || reeve_model::sched::current_parkable().state.is_marked(FiberState::mark_cancelled),
                             "the next wait was ended, too");
        });
        execution.thread([&] {
            outer.cancel();
            is_open = true;
            open.set();
            reeve::model::block_until([&] { return is_over; });
            next.set();
        });
        execution.thread(end_wait);
        return execution.run();
    });
}

// Seen failing with wait() letting go of the lock between its look and its place in the queue: all wait.
TEST_CASE("waiting: cancel token: waited for, while its parent is cancelled", "[model]") {
    in_every_order(1, [](Execution& execution, const auto& end_wait) {
        const reeve_model::CancelSource outer;
        std::optional<reeve_model::CancelSource> inner;
        const auto token = inner.emplace(outer.token()).token();
        bool is_cancelled = false;
        execution.thread([&] { execution.expect(!token.wait(k_soon) || is_cancelled, "gone on too soon"); });
        execution.thread([&] { execution.expect(token.wait().has_value() && is_cancelled, "not cancelled"); });
        execution.thread([&] {
            is_cancelled = true;
            outer.cancel();
        });
        execution.thread(end_wait);
        return execution.run();
    });
}

// Thread 1 is the fiber that is joined. Seen failing with wait_once() opening its wait after it has let go of the lock: all wait.
TEST_CASE("waiting: join: the fiber ends while it is joined, cancelled, or let go", "[model]") {
    struct Core : reeve_model::sched::JoinCore {
        explicit Core(int& destroyed_) : destroyed(destroyed_) {}
        ~Core() override { ++destroyed; }
        int& destroyed;
    };
    const bool joins = GENERATE(true, false);
    in_every_order(3, [=](Execution& execution, const auto& end_wait) {
        reeve_model::sched::Fiber ended{};
        int destroyed = 0;
        bool has_ended = false;
        auto* core = new Core(destroyed);
        core->bind(ended);
        execution.thread([&] {
            if (joins) {
                core->wait();
                execution.expect(has_ended, "joined before it has ended");
            }
            core->release();
        });
        execution.thread([&] {
            has_ended = true;
            if (core->finish()) delete core;
        });
        execution.thread(end_wait);
        if (!execution.run()) return false;
        execution.expect(destroyed == 1, "not destroyed once");
        return true;
    });
}
