// PinToThread: the fiber stays on its OS thread across everything that parks; the others lose nothing by it.
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;

namespace {

long thread_id() { return syscall(SYS_gettid); }

}  // namespace

// Each seen failing with switch_away() taking no notice of pins: the fibers moved within a few waits.
REEVE_TEST("pin: a pinned fiber stays on its thread through sleeps, channels, yields and joins", "[pin]") {
    std::atomic<unsigned> moves{0};
    reeve::Channel<int> numbers(2);
    std::vector<reeve::Join<void>> pinned;
    for (int i = 0; i < 6; ++i)
        pinned.push_back(reeve::spawn([&moves, numbers] {
            const reeve::PinToThread guard;
            const long home = thread_id();
            const auto check = [&] { moves += thread_id() != home ? 1 : 0; };
            for (int round = 0; round < 20; ++round) {
                REEVE_EXPECT(reeve::sleep_for(100us));
                check();
                REEVE_EXPECT(numbers.recv());
                check();
                reeve::this_fiber::yield();
                check();
                REEVE_EXPECT(reeve::spawn([round] { return round; }).join() == round);
                check();
                REEVE_EXPECT(reeve::blocking([round] { return round; }) == round);
                check();
            }
        }));
    // Others make the workers trade places meanwhile.
    std::vector<reeve::Join<void>> others;
    for (int i = 0; i < 6; ++i)
        others.push_back(reeve::spawn([numbers] {
            for (int n = 0; n < 20; ++n) REEVE_EXPECT(numbers.send(n));
        }));
    for (auto& join : others) join.join();
    for (auto& join : pinned) join.join();
    REEVE_EXPECT(moves.load() == 0);
}

REEVE_TEST("pin: a pinned fiber's waits time out and are cancelled like any other's", "[pin]") {
    reeve::Channel<int> never;
    auto late = reeve::spawn([never] {
        const reeve::PinToThread guard;
        return never.recv(reeve::Deadline::in(2ms)).error() == reeve::Errc::timed_out;
    });
    std::atomic<bool> is_waiting{false};
    auto cancelled = reeve::spawn([never, &is_waiting] {
        const reeve::PinToThread guard;
        is_waiting = true;
        return never.recv().error() == reeve::Errc::cancelled;
    });
    while (!is_waiting) reeve::this_fiber::yield();
    cancelled.cancel();
    REEVE_EXPECT(late.join());
    REEVE_EXPECT(cancelled.join());
}

REEVE_TEST("pin: a pinned fiber that waits does not keep its processor", "[pin]") {
    // More of them than workers; each waits for the next one's word, the last for ours.
    constexpr std::size_t k_fibers = 9;
    std::array<reeve::Channel<int>, k_fibers + 1> words;
    std::vector<reeve::Join<void>> links;
    for (std::size_t i = 0; i < k_fibers; ++i)
        links.push_back(reeve::spawn([&words, i] {
            const reeve::PinToThread guard;
            REEVE_EXPECT(words[i].send(words[i + 1].recv().value_or(-1) + 1));
        }));
    REEVE_EXPECT(words[k_fibers].send(0));
    REEVE_EXPECT(words[0].recv().value_or(-1) == static_cast<int>(k_fibers));
    for (auto& join : links) join.join();
}

// While there is nothing to run, a pinned fiber's thread minds its processor: it must see to what comes due there, and give the
// processor away for work. Seen failing with mind() not polling, and with mind() not giving the processor away (the watchdog
// ends either).
REEVE_TEST("pin: what comes while a pinned fiber's thread minds its processor is done", "[pin]") {
    constexpr int k_rounds = 300;
    reeve::Channel<int> there;
    reeve::Channel<int> back;
    auto echo = reeve::spawn([there, back] {
        const reeve::PinToThread guard;
        for (const int value : there) REEVE_EXPECT(back.send(value + 1));
    });
    std::atomic<int> naps{0};
    std::vector<reeve::Join<void>> others;
    for (int i = 0; i < 4; ++i)
        others.push_back(reeve::spawn([&naps] {
            for (int round = 0; round < k_rounds / 3; ++round) {
                REEVE_EXPECT(reeve::sleep_for(std::chrono::microseconds(20 + round)));
                ++naps;
            }
        }));
    const reeve::PinToThread guard;
    for (int round = 0; round < k_rounds; ++round) {
        REEVE_EXPECT(there.send(round));
        // The answer and the deadline meet.
        reeve::Result<int> answer = back.recv(std::chrono::microseconds(round % 40));
        if (!answer) {
            REEVE_EXPECT(answer.error() == reeve::Errc::timed_out);
            answer = back.recv();
        }
        REEVE_EXPECT(std::move(answer).value_or(-1) == round + 1);
    }
    there.close();
    echo.join();
    for (auto& join : others) join.join();
    REEVE_EXPECT(naps.load() == 4 * (k_rounds / 3));
}

REEVE_TEST("pin: guards nest, and preemption goes on beside a pinned fiber that computes", "[pin]") {
    std::atomic<bool> stop{false};
    std::vector<reeve::Join<bool>> hogs;
    for (unsigned i = 0; i <= reeve::test::workers(); ++i)
        hogs.push_back(reeve::spawn([&stop] {
            const reeve::PinToThread outer;
            const long home = thread_id();
            {
                const reeve::PinToThread inner;
            }
            while (!stop.load(std::memory_order_relaxed)) {
            }
            REEVE_EXPECT(reeve::sleep_for(1ms));
            return thread_id() == home;
        }));
    for (int i = 0; i < 10; ++i) REEVE_EXPECT(reeve::sleep_for(1ms));
    stop = true;
    for (auto& hog : hogs) REEVE_EXPECT(hog.join());
}
