// What belongs to a thread and what belongs to a fiber: errno and rounding modes go with a fiber that parks and continues on
// another thread; a fiber that is stopped by a signal stays on its thread and finds it as it was.
//
// Run with slices of 100 us beside fibers that compute, until each fiber has moved, or was stopped, often enough.
#include <immintrin.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cfenv>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "tests/hazards/hogs.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int k_fibers = 8;
constexpr int k_moves = 12;  // of each fiber between threads

// errno's address may be kept over a call by the compiler, which takes it for constant; so these two look at it afresh.
[[gnu::noinline]] void set_errno(int value) {
    asm volatile("" ::: "memory");
    errno = value;
}
[[gnu::noinline]] int get_errno() {
    asm volatile("" ::: "memory");
    return errno;
}
[[gnu::noinline]] pthread_t get_thread() {
    asm volatile("" ::: "memory");
    return ::pthread_self();
}

void compute(int rounds) {
    for (int i = 0; i < rounds; ++i) asm volatile("" : "+r"(i));
}

// Waits by one of three ways, chosen by `round`.
void park(int round) {
    if (round % 3 == 0) {
        (void)reeve::sleep_for(std::chrono::microseconds(20 + round % 7 * 30));
    } else if (round % 3 == 1) {
        reeve::this_fiber::yield();
    } else {
        reeve::Channel<int> channel;
        auto other = reeve::spawn([channel, round] { return channel.send(round).has_value(); });
        REEVE_EXPECT(channel.recv().value_or(-1) == round);
        REEVE_EXPECT(other.join());
    }
}

// Calls round(n) with n = 0, 1, ... on `k_fibers` fibers, until each has continued on another thread k_moves times.
void until_moved(const std::function<void(int fiber, int round)>& round) {
    const reeve::test::Hogs hogs;
    std::atomic<bool> have_moved{false};
    // One blocks its thread again and again: the processor, and the fibers in its queue, go on to another. Hogs alone leave them to
    // the same spare thread for minutes.
    auto blocks = reeve::spawn([&have_moved] {
        for (; !have_moved; reeve::this_fiber::yield()) ::usleep(300);
    });
    std::vector<reeve::Join<void>> fibers;
    for (int fiber = 0; fiber < k_fibers; ++fiber)
        fibers.push_back(reeve::spawn([&round, fiber] {
            int moves = 0;
            for (int n = 0; moves < k_moves; ++n) {
                const pthread_t before = get_thread();
                round(fiber, n);
                moves += get_thread() != before ? 1 : 0;
            }
        }));
    for (auto& fiber : fibers) fiber.join();
    have_moved = true;
}

// The eight combinations of rounding mode and flush-to-zero, for SSE; the same rounding mode for the x87 unit.
struct FloatingPoint {
    explicit FloatingPoint(int fiber) : mxcsr(0x1f80U | (static_cast<unsigned>(fiber) & 3U) << 13 | (fiber & 4 ? 0x8000U : 0U)) {}
    void set() const {
        static constexpr std::array<int, 4> k_modes{FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
        std::fesetround(k_modes[mxcsr >> 13 & 3U]);
        _mm_setcsr(mxcsr);
    }
    [[nodiscard]] bool is_set() const {
        std::uint16_t x87 = 0;
        asm volatile("fnstcw %0" : "=m"(x87));
        constexpr unsigned k_control = 0xffc0;  // the rest says what happened
        return (_mm_getcsr() & k_control) == (mxcsr & k_control) && (x87 >> 10 & 3U) == (mxcsr >> 13 & 3U);
    }
    [[nodiscard]] bool rounds_as_it_should() const {
        volatile double one = 1;
        volatile double three = 3;
        const double third = one / three;  // ...5555 and a rest below a half
        const double up = 0x1.5555555555556p-2;
        return third == ((mxcsr >> 13 & 3U) == 2 ? up : 0x1.5555555555555p-2);
    }
    unsigned mxcsr;
};

// Of the thread, as a signal handler's return might leave it.
struct ThreadState {
    ThreadState() {
        ::sigaltstack(nullptr, &alternate);
        ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    }
    bool operator==(const ThreadState& other) const {
        return thread == other.thread && alternate.ss_sp == other.alternate.ss_sp && alternate.ss_size == other.alternate.ss_size &&
               alternate.ss_flags == other.alternate.ss_flags && std::memcmp(&mask, &other.mask, 8) == 0;
    }
    pthread_t thread = get_thread();
    stack_t alternate{};
    sigset_t mask{};
};

}  // namespace

// Seen failing with saved_errno taken out of Worker::load(): errno of the fiber that ran before.
TEST_CASE("migration: errno goes with a fiber to another thread", "[hazards][migration]") {
    reeve::test::run_everywhere(
        [] {
            until_moved([](int fiber, int round) {
                const int value = 1000 * (fiber + 1) + round % 1000;
                set_errno(value);
                park(round);
                REEVE_EXPECT(get_errno() == value);
                compute(1000);
                REEVE_EXPECT(get_errno() == value);
            });
        },
        reeve::test::short_slices);
}

// Seen failing with the default control words loaded in Worker::arrive(): the modes of fibers that had parked were gone.
TEST_CASE("migration: rounding modes go with a fiber to another thread", "[hazards][migration]") {
    reeve::test::run_everywhere(
        [] {
            until_moved([](int fiber, int round) {
                const FloatingPoint mine(fiber);
                if (round == 0) mine.set();
                REEVE_EXPECT(mine.is_set());
                park(round);
                REEVE_EXPECT(mine.is_set());
                REEVE_EXPECT(mine.rounds_as_it_should());
                compute(10'000);
                REEVE_EXPECT(mine.is_set());
            });
        },
        reeve::test::short_slices);
}

// Seen failing with a handler that leaves its own errno behind, and with one that changes the control word or the signal mask
// in its frame, as a handler that returns on another thread does.
TEST_CASE("migration: a fiber that was stopped finds its thread as it was", "[hazards][migration]") {
    reeve::test::run_everywhere(
        [] {
            const reeve::test::Hogs hogs;
            std::vector<reeve::Join<void>> fibers;
            const std::uint64_t signals_before = reeve::stats().preempt_signals;
            for (int fiber = 0; fiber < k_fibers; ++fiber)
                fibers.push_back(reeve::spawn([fiber] {
                    const FloatingPoint modes(fiber);
                    modes.set();
                    const ThreadState before;
                    // The runtime is not called here, so nothing but signals comes between.
                    for (int round = 0; round < 1000; ++round) {
                        set_errno(7000 + fiber);
                        compute(20'000);
                        REEVE_EXPECT(get_errno() == 7000 + fiber);
                        REEVE_EXPECT(modes.is_set());
                        REEVE_EXPECT(modes.rounds_as_it_should());
                        if (round % 16 == 0) REEVE_EXPECT(ThreadState() == before);
                    }
                    REEVE_EXPECT(ThreadState() == before);
                }));
            for (auto& fiber : fibers) fiber.join();
            if (!reeve::test::is_thread_sanitized()) REEVE_EXPECT(reeve::stats().preempt_signals > signals_before);
        },
        reeve::test::short_slices);
}
