// The preemption ledger, end to end: code that is stopped, or refuses to be, appears with its name and its reason.
//
// Each case runs a hog of one kind on more fibers than there are workers until the ledger has seen what is expected; a case
// that never sees it is ended by the watchdog. What is checked are names and reasons, never times.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::PreemptionStats;
using reeve::Refusal;

namespace {

PreemptionStats figures() { return reeve::stats().preemption; }

std::string printed(const std::function<void(int fd)>& print) {
    const int fd = ::memfd_create("printed", MFD_CLOEXEC);
    print(fd);
    std::string text(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
    if (::pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) text.clear();
    ::close(fd);
    return text;
}

// How often the profile has "KIND;...FUNCTION...", 0 if not at all.
std::uint64_t in_profile(const std::string& kind, const std::string& function) {
    std::istringstream lines(printed([](int fd) { reeve::preemption_profile(fd); }));
    std::uint64_t sum = 0;
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(kind + ";") && line.find(function) != std::string::npos)
            sum += std::strtoull(line.c_str() + line.rfind(' '), nullptr, 10);
    return sum;
}

// Runs hogs in rounds until the figures satisfy `is_enough`, beside a fiber that wants to run all the time; then `look`.
// In rounds, because a hog that lost its processor may go on without one while nobody is in need.
void run_until(void (*hog)(const bool* stop), const std::function<bool(const PreemptionStats&)>& is_enough,
               const std::function<void()>& look) {
    while (!is_enough(figures())) {
        bool stop = false;
        std::vector<reeve::Join<void>> hogs;
        for (unsigned i = 0; i <= reeve::test::workers(); ++i)
            hogs.push_back(reeve::spawn({.name = "hog"}, [&stop, hog] { hog(&stop); }));
        for (int i = 0; i < 10 && !is_enough(figures()); ++i) (void)reeve::sleep_for(1ms);
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
        for (auto& join : hogs) join.join();
    }
    look();
}

// ThreadSanitizer keeps signals back until a call it knows: nothing is handed over in a loop.
bool signals_are_late() {
    if (!reeve::test::is_thread_sanitized()) return false;
    REEVE_EXPECT(true);
    return true;
}

// Flags are read by __atomic_load_n: no call of another function, however little is optimised.
[[gnu::noinline]] void spin_in_a_named_function(const bool* stop) {
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) asm volatile("");
}

[[gnu::noinline]] void loop_of_malloc(const bool* stop) {
    std::size_t size = 1;
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        std::unique_ptr<char[]> block(new char[size]);
        block[0] = 1;
        size = size * 7 % 70'000 + 1;
    }
}

[[gnu::noinline]] int compare_slowly(const void* a, const void* b) {
    for (int i = 0; i < 20'000; ++i) asm volatile("" : "+r"(i));
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

void loop_of_sorting(const bool* stop) {
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        std::array<int, 64> numbers{};
        for (int i = 0; i < 64; ++i) numbers[static_cast<std::size_t>(i)] = i * 37 % 64;
        std::qsort(numbers.data(), numbers.size(), sizeof(int), compare_slowly);
    }
}

[[gnu::noinline]] void loop_of_system_calls(const bool* stop) {
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        long result = SYS_getppid;
        asm volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
    }
}

const bool* g_stop_on_foreign_stack;

[[gnu::noinline]] void spin_on_foreign_stack() { spin_in_a_named_function(g_stop_on_foreign_stack); }

void leave_for_foreign_stack(const bool* stop) {
    g_stop_on_foreign_stack = stop;
    const std::size_t bytes = 64 * 1024;
    const auto stack = std::make_unique<char[]>(bytes);
    ucontext_t here;
    ucontext_t there;
    getcontext(&there);
    there.uc_stack.ss_sp = stack.get();
    there.uc_stack.ss_size = bytes;
    there.uc_link = &here;
    makecontext(&there, spin_on_foreign_stack, 0);
    swapcontext(&here, &there);
}

void spin_with_signals_blocked(const bool* stop) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    spin_in_a_named_function(stop);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void loop_of_runtime_calls(const bool* stop) {
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) (void)reeve::stats();
}

// The hog is refused for this reason, in a function whose name contains this.
void is_refused(void (*hog)(const bool* stop), Refusal reason, const std::string& function) {
    if (signals_are_late()) return;
    run_until(
        hog, [&](const PreemptionStats& stats) { return stats.refused(reason) > 0; },
        [&] {
            REEVE_EXPECT(in_profile(std::string("refused;") + reeve::words_of(reason).name, function) > 0);
            REEVE_EXPECT(in_profile("parked", function) == 0);
        });
}

}  // namespace

REEVE_TEST("ledger: a function that spins is where slices expire and threads are parked", "[ledger]") {
    // Seen failing with the address of the handler's own frame recorded instead of the interrupted one.
    if (signals_are_late()) return;
    run_until(
        spin_in_a_named_function,
        [](const PreemptionStats& stats) { return stats.handed_over >= 3 && stats.parked_for.count() >= 3; },
        [] {
            const PreemptionStats stats = figures();
            REEVE_EXPECT(in_profile("handed_over", "spin_in_a_named_function") >= 2);
            REEVE_EXPECT(in_profile("parked", "spin_in_a_named_function") >= 2);
            REEVE_EXPECT(stats.slice.count() > 0);
            REEVE_EXPECT(stats.slice.max_ns > 0);
            REEVE_EXPECT(stats.parked_for.max_ns > 0);
            REEVE_EXPECT(stats.parked_for.count() <= figures().parked);
            const std::string table = printed([](int fd) { reeve::preemption_table(fd, 3); });
            REEVE_EXPECT(table.find("slices handed over in\n") != std::string::npos);
            REEVE_EXPECT(table.find("spin_in_a_named_function(bool const*)\n") != std::string::npos);
        });
}

REEVE_TEST("ledger: a loop of malloc is refused in the library", "[ledger]") {
    // Sanitizers bring their own allocator, in a library or in the program.
    if (reeve::test::is_sanitized()) {
        REEVE_EXPECT(true);
        return;
    }
    run_until(
        loop_of_malloc, [](const PreemptionStats& stats) { return stats.refused(Refusal::library) > 0; },
        [] { REEVE_EXPECT(in_profile("refused;library", "") > 0); });
}

REEVE_TEST("ledger: a slow comparison that qsort calls is refused by its name", "[ledger]") {
    is_refused(loop_of_sorting, Refusal::library_caller, "compare_slowly");
}

REEVE_TEST("ledger: a loop of system calls is refused behind the instruction", "[ledger]") {
    if (signals_are_late()) return;
    // Between two calls it may be parked like any other loop.
    run_until(
        loop_of_system_calls, [](const PreemptionStats& stats) { return stats.refused(Refusal::system_call) > 0; },
        [] { REEVE_EXPECT(in_profile("refused;system_call", "loop_of_system_calls") > 0); });
}

REEVE_TEST("ledger: code on a stack of its own is refused", "[ledger]") {
    is_refused(leave_for_foreign_stack, Refusal::foreign_stack, "spin_in_a_named_function");
}

REEVE_TEST("ledger: a thread that blocks signals is taken from without an answer", "[ledger]") {
    // Seen failing with TakeReason::blocked given for every processor taken.
    run_until(
        spin_with_signals_blocked, [](const PreemptionStats& stats) { return stats.taken_unanswered > 0; }, [] {});
    // Its time without a processor is recorded when it is back.
    REEVE_EXPECT(figures().detached_for.count() > 0);
}

REEVE_TEST("ledger: a slice that ends in the runtime is a yield", "[ledger]") {
    run_until(
        loop_of_runtime_calls, [](const PreemptionStats& stats) { return stats.yielded > 0; },
        [] { REEVE_EXPECT(figures().slice.count() > 0); });
}

REEVE_TEST("ledger: a blocking read loses its processor as blocked, for as long as it blocks", "[ledger]") {
    // Seen failing with Detachment::begin() left out of the monitor: blocked_for stays empty.
    std::array<int, 2> ends{};
    REEVE_EXPECT(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const unsigned count = reeve::test::workers() + 1;
    std::vector<reeve::Join<bool>> readers;
    for (unsigned i = 0; i < count; ++i)
        readers.push_back(reeve::spawn([&] {
            char byte = 0;
            return ::read(ends[0], &byte, 1) == 1;
        }));
    // The last reader starts only when a processor was taken from one before it.
    while (figures().taken_blocked == 0) (void)reeve::sleep_for(1ms);
    const std::string bytes(count, 'x');
    REEVE_EXPECT(::write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(count));
    for (auto& reader : readers) REEVE_EXPECT(reader.join());
    const PreemptionStats stats = figures();
    REEVE_EXPECT(stats.blocked_slice.count() == stats.taken_blocked);
    REEVE_EXPECT(stats.blocked_for.count() > 0);
    REEVE_EXPECT(stats.blocked_for.count() <= stats.taken_blocked);
    REEVE_EXPECT(in_profile("taken", "blocked") >= 1);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("ledger: every run begins at zero, and outside there is none", "[ledger]") {
    reeve::Config config;
    config.workers = 1;
    std::uint64_t first = 0;
    std::uint64_t second = 1;
    reeve::run(config, [&] {
        bool stop = false;
        auto hog = reeve::spawn([&] { loop_of_runtime_calls(&stop); });
        while (figures().yielded == 0) (void)reeve::sleep_for(1ms);
        first = figures().yielded;
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
        hog.join();
    });
    CHECK(first > 0);
    CHECK(figures().yielded == 0);
    CHECK(printed([](int fd) { reeve::preemption_profile(fd); }).empty());
    CHECK(printed([](int fd) { reeve::preemption_table(fd); }).empty());
    reeve::run(config, [&] { second = figures().yielded; });
    CHECK(second == 0);
}

TEST_CASE("ledger: SIGQUIT's dump ends with it", "[ledger]") {
    if (reeve::test::is_thread_sanitized()) {
        WARN("left out under ThreadSanitizer: it keeps signals back until a call it knows");
        return;
    }
    // One worker: the main fiber gets to say "ready" only when the spinning one is made to stop.
    reeve::test::Child child({reeve::test::crash_program("dump_on_sigquit")}, {"REEVE_WORKERS=1"});
    REQUIRE(child.wait_for_text("ready"));
    child.send_signal(SIGQUIT);
    CHECK(child.wait_for_text("reeve: preemption: slices handed over "));
    CHECK(child.wait_for_text("a slice of code that "));
    child.send_signal(SIGKILL);
    CHECK(child.wait().signal == SIGKILL);
}
