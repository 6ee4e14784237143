// Signals that are not the runtime's own, beside preemption: masks, handlers of the program, storms, set*id.
//
// A fiber's thread is an ordinary thread to the kernel, and its handlers may be interrupted like everything else.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/hazards/hogs.hpp"

using namespace std::chrono_literals;
using reeve::test::Hogs;
using reeve::test::run_everywhere;
using reeve::test::short_slices;

namespace {

// A handler for the length of a scope.
class Handler {
public:
    Handler(int signal, void (*handler)(int, siginfo_t*, void*), int flags) : signal_(signal) {
        struct sigaction action {};
        action.sa_sigaction = handler;
        action.sa_flags = SA_SIGINFO | flags;
        ::sigaction(signal_, &action, &before_);
    }
    ~Handler() { ::sigaction(signal_, &before_, nullptr); }
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;

private:
    int signal_;
    struct sigaction before_ {};
};

void tick(int times) {
    for (int i = 0; i < times; ++i) REEVE_EXPECT(reeve::sleep_for(1ms));
}

// Signals of the preemption's number, as a handler of the program sees them.
std::atomic<int> g_killed{0};
std::atomic<int> g_queued{0};
std::atomic<int> g_out_of_band{0};
std::atomic<int> g_others{0};

void note_urgent(int, siginfo_t* info, void*) {
    switch (info->si_code) {
        case SI_USER: ++g_killed; break;
        case SI_QUEUE: ++g_queued; break;
        case SI_KERNEL:
        case POLL_PRI: ++g_out_of_band; break;
        default: ++g_others;
    }
}

void forget_urgent() {
    for (auto* count : {&g_killed, &g_queued, &g_out_of_band, &g_others}) *count = 0;
}

// Two ends of a TCP connection over loopback: only TCP has urgent data everywhere.
std::array<int, 2> connect_to_self() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    std::array<int, 2> ends{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1};
    REEVE_EXPECT(::bind(listener, any, length) == 0 && ::listen(listener, 1) == 0 && ::getsockname(listener, any, &length) == 0);
    REEVE_EXPECT(::connect(ends[0], any, length) == 0);
    ends[1] = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    ::close(listener);
    return ends;
}

}  // namespace

REEVE_TEST("signals: a fiber that blocks them all and computes does not keep others waiting", "[hazards][signals]") {
    // Seen failing with Monitor::take() that takes nothing: the main fiber never woke from its sleep.
    std::atomic<bool> stop{false};
    std::atomic<unsigned> begun{0};
    const unsigned count = reeve::test::workers() + 1;
    std::vector<reeve::Join<void>> deaf;
    for (unsigned i = 0; i < count; ++i)
        deaf.push_back(reeve::spawn([&] {
            sigset_t all;
            sigset_t before;
            ::sigfillset(&all);
            ::pthread_sigmask(SIG_SETMASK, &all, &before);
            ++begun;
            while (!stop.load(std::memory_order_relaxed)) {
            }
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        }));
    while (begun.load() < count) tick(1);
    tick(20);
    stop = true;
}

TEST_CASE("signals: a stopped fiber that is to follow one that blocks them all gets its turn", "[hazards][signals]") {
    // Seen failing with Monitor::watch() that takes a fiber which is named as the successor for nobody: it hangs.
    run_everywhere(
        [] {
            std::atomic<bool> has_begun{false};
            std::atomic<bool> stop{false};
            auto stopped = reeve::spawn([&] {
                while (!has_begun.load(std::memory_order_relaxed)) {
                }
            });
            auto deaf = reeve::spawn([&] {
                sigset_t all;
                sigset_t before;
                ::sigfillset(&all);
                ::pthread_sigmask(SIG_SETMASK, &all, &before);
                has_begun = true;
                while (!stop.load(std::memory_order_relaxed)) {
                }
                ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            });
            stopped.join();  // there is no timer, and nothing else that was woken: only the stopped one waits
            REEVE_EXPECT(has_begun);
            stop = true;
            deaf.join();
        },
        [](reeve::Config& config) { config.workers = 1; });
}

TEST_CASE("signals: a fiber whose program takes the signal away is stopped by the next", "[hazards][signals]") {
    // Seen failing with signal_worker() that sends none while one is on its way: the fiber goes on without a processor for ever.
    run_everywhere(
        [] {
            const auto stops = [] { return reeve::stats().preemption.parked; };
            const auto before = stops();
            std::atomic<bool> stop{false};
            std::atomic<bool> was_taken{false};
            auto thief = reeve::spawn([&] {
                sigset_t urgent;
                ::sigemptyset(&urgent);
                ::sigaddset(&urgent, SIGURG);
                ::pthread_sigmask(SIG_BLOCK, &urgent, nullptr);
                // Who sleeps is not signalled: it computes until the signal is there.
                sigset_t pending;
                do ::sigpending(&pending);
                while (::sigismember(&pending, SIGURG) != 1);
                REEVE_EXPECT(::sigwaitinfo(&urgent, nullptr) == SIGURG);
                ::pthread_sigmask(SIG_UNBLOCK, &urgent, nullptr);
                was_taken = true;
                while (!stop.load(std::memory_order_relaxed)) {
                }
            });
            const reeve::test::Yielders yielders;
            while (!was_taken || stops() == before) tick(1);  // `parked` counts those that have gone on since
            stop = true;
            thief.join();
        },
        [](reeve::Config& config) { config.workers = 1; });
}

TEST_CASE("signals: a handler from before run() gets what is not the runtime's", "[hazards][signals]") {
    // Seen failing with a handler that drops what is not the runtime's own: the first kill() was never counted.
    if (reeve::test::is_thread_sanitized()) {
        WARN("left out under ThreadSanitizer: a signal to the process goes to a thread that waits, from which it is kept back");
        return;
    }
    const Handler handler(SIGURG, note_urgent, SA_RESTART | SA_ONSTACK);
    run_everywhere(
        [] {
            forget_urgent();
            const Hogs hogs;
            const reeve::test::Yielders yielders;
            const std::array<int, 2> ends = connect_to_self();
            REEVE_EXPECT(::fcntl(ends[1], F_SETOWN, ::getpid()) == 0);
            for (int round = 1; round <= 20; ++round) {
                // One at a time: the kernel merges equal signals that are pending.
                ::kill(::getpid(), SIGURG);
                while (g_killed < round) tick(1);
                ::sigqueue(::getpid(), SIGURG, sigval{.sival_int = round});
                while (g_queued < round) tick(1);
                REEVE_EXPECT(::send(ends[0], "!", 1, MSG_OOB) == 1);
                while (g_out_of_band < round) tick(1);
            }
            REEVE_EXPECT(g_killed == 20 && g_queued == 20 && g_out_of_band == 20);
            while (reeve::stats().preempt_signals < 20) tick(1);
            REEVE_EXPECT(g_others == 0);  // none of the runtime's own
            ::close(ends[0]);
            ::close(ends[1]);
        },
        short_slices);
}

TEST_CASE("signals: another signal than the usual one can be used", "[hazards][signals]") {
    // Seen failing with a handler installed for SIGURG only: the first SIGUSR2 ended the process.
    const Handler urgent(SIGURG, note_urgent, SA_RESTART);
    run_everywhere(
        [] {
            forget_urgent();
            const Hogs hogs;
            const reeve::test::Yielders yielders;
            while (reeve::stats().preempt_signals < 20) tick(1);
            struct sigaction now {};
            ::sigaction(SIGURG, nullptr, &now);
            REEVE_EXPECT(now.sa_sigaction == note_urgent);
            REEVE_EXPECT(g_others == 0);
        },
        [](reeve::Config& config) {
            short_slices(config);
            config.preempt_signal = SIGUSR2;
        });
    ::signal(SIGUSR2, SIG_DFL);
}

REEVE_TEST("signals: a program that takes the signal away while fibers run keeps its progress", "[hazards][signals]") {
    // Seen failing with successors that stay named when their processor goes idle, the signal having been lost: a hog was in no
    // queue and never went on.
    const Hogs hogs;
    {
        const Handler replaced(SIGURG, note_urgent, SA_RESTART);
        tick(50);
    }
    {
        struct sigaction before {};
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGURG, &ignore, &before);
        tick(50);
        ::sigaction(SIGURG, &before, nullptr);
    }
    tick(20);
}

TEST_CASE("signals: a storm of them from outside costs time, nothing else", "[hazards][signals]") {
    // Seen failing with a ring whose wait must not end with EINTR.
    std::atomic<bool> stop{false};
    std::atomic<unsigned> rounds_sent{0};
    DIR* folder = ::opendir("/proc/self/task");
    REQUIRE(folder);
    std::thread storm([&] {
        const int self = static_cast<int>(::syscall(SYS_gettid));
        while (!stop) {
            ::rewinddir(folder);
            while (const dirent* entry = ::readdir(folder)) {
                const int id = std::atoi(entry->d_name);
                if (id <= 0 || id == self || id == ::getpid()) continue;
                ::syscall(SYS_tgkill, ::getpid(), id, SIGURG);
            }
            ++rounds_sent;
            std::this_thread::sleep_for(20us);
        }
    });
    run_everywhere(
        [&rounds_sent] {
            constexpr unsigned k_storm = 1000;  // signals to every thread
            constexpr int k_summed = 20'000'000;
            const unsigned until = rounds_sent + k_storm;
            reeve::Channel<int> there(1);
            reeve::Channel<int> back(1);
            auto echo = reeve::spawn([there, back]() mutable {
                while (auto number = there.recv())
                    if (!back.send(*number)) return;
            });
            auto adder = reeve::spawn([] {
                std::uint64_t sum = 0;
                for (int i = 0; i < k_summed; ++i) {
                    sum += static_cast<unsigned>(i);
                    asm volatile("" : "+r"(sum));
                }
                return sum;
            });
            for (int i = 0; rounds_sent < until; ++i) REEVE_EXPECT(there.send(i) && back.recv().value_or(-1) == i);
            there.close();
            tick(20);
            REEVE_EXPECT(adder.join() == std::uint64_t{k_summed} * (k_summed - 1) / 2);
            echo.join();
        },
        short_slices);
    stop = true;
    storm.join();
    ::closedir(folder);
}

TEST_CASE("signals: set*id, which has every thread run a handler, ends with many threads stopped", "[hazards][signals]") {
    // Seen failing with a handler that blocks all signals while its thread is stopped: setgid() never returned.
    run_everywhere(
        [] {
            const Hogs hogs(12);
            auto from_fiber = reeve::spawn([] {
                for (int i = 0; i < 3; ++i) REEVE_EXPECT(::setgid(::getgid()) == 0 && ::setegid(::getegid()) == 0);
            });
            std::atomic<bool> thread_ended{false};
            std::thread from_thread([&thread_ended] {
                for (int i = 0; i < 3; ++i) REEVE_EXPECT(::setuid(::getuid()) == 0 && ::setegid(::getegid()) == 0);
                thread_ended = true;
            });
            from_fiber.join();
            while (!thread_ended) tick(1);
            from_thread.join();
            tick(20);
        },
        short_slices);
}
