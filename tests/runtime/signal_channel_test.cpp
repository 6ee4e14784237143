// SignalChannel: signals come as values, to every channel that wants them; the old action comes back.
#include "runtime/signal_channel.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::SignalChannel;

namespace {

void* handler_of(int signal) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    return reinterpret_cast<void*>(action.sa_handler);
}

// To the process; the kernel picks a thread, and has it delivered before kill() returns only if that is this one.
bool raise_signal(int signal) {
    if (!reeve::test::is_thread_sanitized()) return ::kill(::getpid(), signal) == 0;
    reeve::test::leave_out("signals that hit other threads: ThreadSanitizer keeps them back from those that wait");
    return ::raise(signal) == 0;
}

}  // namespace

REEVE_TEST("signal channel: a signal wakes who waits for it", "[signal]") {
    SignalChannel channel({SIGUSR1, SIGUSR2});
    auto waiter = reeve::spawn([&] { return channel.recv(30s).value_or(0); });
    (void)reeve::sleep_for(1ms);
    REEVE_EXPECT(raise_signal(SIGUSR2));
    REEVE_EXPECT(waiter.join() == SIGUSR2);
    REEVE_EXPECT(raise_signal(SIGUSR1));
    REEVE_EXPECT(channel.recv(30s).value_or(0) == SIGUSR1);
    REEVE_EXPECT(!channel.try_recv());
    REEVE_EXPECT(channel.recv(1ms).error() == Errc::timed_out);
    auto cancelled = reeve::spawn([&] { return channel.recv().error() == Errc::cancelled; });
    cancelled.cancel();
    REEVE_EXPECT(cancelled.join());
}

REEVE_TEST("signal channel: a plain thread receives, too", "[signal]") {
    SignalChannel channel({SIGUSR1});
    std::thread thread([&] {
        REEVE_EXPECT(channel.recv(1ms).error() == Errc::timed_out);
        REEVE_EXPECT(raise_signal(SIGUSR1));
        REEVE_EXPECT(channel.recv(30s).value_or(0) == SIGUSR1);
    });
    reeve::blocking([&] { thread.join(); });
}

// Seen failing with leave() that does not put the previous action back.
REEVE_TEST("signal channel: every channel gets it, and the last to go restores the action", "[signal]") {
    void* const before = handler_of(SIGUSR1);
    void* const before_hup = handler_of(SIGHUP);
    {
        SignalChannel first({SIGUSR1});
        void* const ours = handler_of(SIGUSR1);
        REEVE_EXPECT(ours != before);
        {
            SignalChannel second({SIGUSR1, SIGHUP});
            REEVE_EXPECT(raise_signal(SIGUSR1));
            REEVE_EXPECT(first.recv(30s).value_or(0) == SIGUSR1);
            REEVE_EXPECT(second.recv(30s).value_or(0) == SIGUSR1);
            REEVE_EXPECT(handler_of(SIGHUP) == ours);
        }
        REEVE_EXPECT(handler_of(SIGUSR1) == ours);
        REEVE_EXPECT(handler_of(SIGHUP) == before_hup);
        REEVE_EXPECT(raise_signal(SIGUSR1));
        REEVE_EXPECT(first.recv(30s).value_or(0) == SIGUSR1);
    }
    REEVE_EXPECT(handler_of(SIGUSR1) == before);
}

REEVE_TEST("signal channel: close ends every receive, under way and to come", "[signal]") {
    SignalChannel channel({SIGUSR1});
    std::vector<reeve::Join<bool>> waiters;
    for (int i = 0; i < 5; ++i) waiters.push_back(reeve::spawn([&] { return channel.recv().error() == Errc::closed; }));
    reeve::this_fiber::yield();
    channel.close();
    channel.close();
    for (auto& waiter : waiters) REEVE_EXPECT(waiter.join());
    REEVE_EXPECT(channel.recv().error() == Errc::closed);
    REEVE_EXPECT(!channel.try_recv());
    REEVE_EXPECT(handler_of(SIGUSR1) == reinterpret_cast<void*>(SIG_DFL));
}

// Each signal is received once before the next is raised: exactly as many come out as went in, whatever thread they hit, fibers
// that compute and others that lose their threads among them. Seen failing with a handler that writes before it marks.
TEST_CASE("signal channel: none is lost beside fibers that compute, at a short quantum", "[signal]") {
    reeve::test::run_everywhere(
        [] {
            std::atomic<bool> stop{false};
            std::vector<reeve::Join<void>> hogs;
            for (int i = 0; i < 3; ++i)
                hogs.push_back(reeve::spawn([&] {
                    while (!stop.load(std::memory_order_relaxed)) {
                    }
                }));
            SignalChannel channel({SIGUSR1, SIGUSR2});
            SignalChannel other({SIGUSR1});
            std::mt19937 random(5);
            constexpr int k_signals = 300;
            int received = 0;
            for (int i = 0; i < k_signals; ++i) {
                const int signal = random() % 2 == 0 ? SIGUSR1 : SIGUSR2;
                REEVE_EXPECT(raise_signal(signal));
                received += channel.recv(30s).value_or(0) == signal ? 1 : 0;
                if (signal == SIGUSR1) received -= other.recv(30s).value_or(0) == signal ? 0 : 1;
            }
            stop = true;
            for (auto& hog : hogs) hog.join();
            REEVE_EXPECT(received == k_signals);
            REEVE_EXPECT(!channel.try_recv() && !other.try_recv());
        },
        [](reeve::Config& config) { config.quantum = 100us; });
}

// Channels come and go while signals hit all threads: a handler must never write to a descriptor that is no longer its own. Seen
// failing without the wait in leave() and with a handler that naps before it writes: the next eventfd of that number was written to.
REEVE_TEST("signal channel: coming and going under a storm of signals", "[signal]") {
    SignalChannel keeper({SIGUSR1});  // else the default action would end the process
    std::atomic<bool> stop{false};
    std::thread storm([&] {
        do raise_signal(SIGUSR1);
        while (!stop);
    });
    constexpr int k_rounds = 300;
    std::vector<reeve::Join<void>> fibers;
    for (int f = 0; f < 3; ++f)
        fibers.push_back(reeve::spawn([] {
            for (int round = 0; round < k_rounds; ++round) {
                {
                    SignalChannel brief({SIGUSR1});
                    REEVE_EXPECT(brief.recv(30s).value_or(0) == SIGUSR1);
                }
                const int other = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                REEVE_EXPECT(reeve::sleep_for(100us));
                std::uint64_t count = 0;
                REEVE_EXPECT(::read(other, &count, sizeof count) == -1);  // nobody wrote to it
                ::close(other);
            }
        }));
    for (auto& fiber : fibers) fiber.join();
    stop = true;
    reeve::blocking([&] { storm.join(); });
    REEVE_EXPECT(keeper.recv(30s).value_or(0) == SIGUSR1);
    // One that is still pending when the keeper goes would find the default action. Only of signals that it blocks does a thread learn
    // that they are pending.
    sigset_t ours;
    ::sigemptyset(&ours);
    ::sigaddset(&ours, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &ours, nullptr);
    for (sigset_t pending; ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGUSR1) == 1;) ::sched_yield();
    ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
}

TEST_CASE("signal channel: what cannot be had ends the process with the reason", "[signal]") {
    for (const auto& [signal, reason] : {std::pair{"23", "preemption signal"}, {"9", "nobody can"}, {"11", "broken program"},
                                         {"0", "no such signal"}, {"65", "no such signal"}}) {
        const reeve::test::ChildEnd end = reeve::test::run_child({reeve::test::crash_program("signal_channel"), signal});
        INFO(signal << ": " << end.err);
        CHECK_FALSE(end.timed_out);
        CHECK(end.exit_status != 0);
        CHECK(end.err.find("SignalChannel: signal ") != std::string::npos);
        CHECK(end.err.find(reason) != std::string::npos);
    }
}
