// I/O in flight when the thread that passed it to the kernel loses its processor: whatever becomes of that thread, the
// completion arrives at the fiber, and is never a cancellation.
//
// The kernel ties a request to the thread that submitted it: it finishes the request in that thread's name, and cancels it
// when that thread ends. So the ring must not demand one submitter, and threads that submitted must not end.
//
// Each case: one processor. Fibers start operations and park; a fiber called the submitter yields until its own thread has
// passed them to the kernel, and then does to that thread what the case is about, while hogs run. Only then the operations
// get what they wait for, from the outside.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <poll.h>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/hazards/hogs.hpp"

using namespace std::chrono_literals;

namespace {

long thread_id() { return ::syscall(SYS_gettid); }

struct Pair {
    Pair() {
        std::array<int, 2> ends{-1, -1};
        REEVE_EXPECT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        near = reeve::Fd(ends[0]);
        far = ends[1];
    }
    ~Pair() { ::close(far); }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    reeve::Fd near;
    int far = -1;
};

// What the submitting thread does while the operations it submitted complete; ends when `over` is set.
using Then = std::function<void(const std::atomic<bool>& over)>;

struct InFlight {
    static constexpr std::size_t k_pairs = 8;
    std::array<Pair, k_pairs> pairs;
    std::vector<reeve::Join<bool>> receivers;  // each gets one byte
    std::vector<reeve::Join<bool>> pollers;    // each sees that something came
    std::vector<reeve::Join<bool>> timeouts;   // each gets nothing, in time

    void start() {
        for (std::size_t i = 0; i < k_pairs; ++i) {
            reeve::Fd& fd = pairs[i].near;
            if (i % 3 == 0) {
                pollers.push_back(reeve::spawn([&fd] { return fd.poll(POLLIN).value_or(0) == POLLIN; }));
            } else if (i % 3 == 1) {
                receivers.push_back(reeve::spawn([&fd] {
                    std::byte byte{};
                    const auto result = fd.recv({&byte, 1});
                    return result && *result == 1 && byte == std::byte{'x'};
                }));
            } else {
                timeouts.push_back(reeve::spawn([&fd] {
                    std::byte byte{};
                    const auto result = fd.recv({&byte, 1}, reeve::Deadline::in(5ms));
                    return !result && result.error() == reeve::Errc::timed_out;
                }));
            }
        }
    }
    void complete() const {
        for (std::size_t i = 0; i < k_pairs; ++i)
            if (i % 3 != 2) REEVE_EXPECT(::write(pairs[i].far, "x", 1) == 1);
    }
    void expect_all() {
        for (auto* joins : {&receivers, &pollers, &timeouts})
            for (auto& join : *joins) REEVE_EXPECT(join.join());
    }
};

// One round; false when the submitting thread changed before it could be pinned down, so that the round shows nothing.
bool round(const Then& then) {
    InFlight flight;
    std::atomic<bool> submitted{false};
    std::atomic<bool> same_thread{false};
    std::atomic<bool> over{false};
    flight.start();
    auto submitter = reeve::spawn({.name = "submitter"}, [&] {
        const long thread = thread_id();
        const std::uint64_t submits = reeve::stats().submits;
        // With epoll whoever starts an operation tells the kernel, which ties nothing to a thread.
        const bool is_told = std::string_view(reeve::stats().io_engine) == "epoll";
        for (int i = 0; i < 1000 && !is_told && reeve::stats().submits == submits; ++i) reeve::this_fiber::yield();
        for (int i = 0; i < 200; ++i) reeve::this_fiber::yield();
        same_thread = thread_id() == thread && (is_told || reeve::stats().submits != submits);
        submitted = true;
        then(over);
    });
    while (!submitted.load()) reeve::this_fiber::yield();
    {
        const reeve::test::Hogs hogs;
        (void)reeve::sleep_for(2ms);
        flight.complete();
        flight.expect_all();
        over = true;
        submitter.join();
    }
    return same_thread.load();
}

void survives(const Then& then) {
    reeve::test::run_everywhere(
        [&then] {
            // With one worker nobody else runs a round's fibers, but the monitor may come between at any time.
            int shown = 0;
            for (int i = 0; shown < 10 && i < 200; ++i) shown += round(then) ? 1 : 0;
            REEVE_EXPECT(shown == 10);
        },
        [](reeve::Config& config) {
            reeve::test::short_slices(config);
            // More processors must not change anything, but who submits is then left to chance.
            if (config.workers == 4) config.workers = 2;
        });
}

int slow_ascending(const void* a, const void* b) {
    for (int i = 0; i < 100; ++i) asm volatile("" : "+r"(i));
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

}  // namespace

// These were seen failing with a ring set up for one submitter (SINGLE_ISSUER: EEXIST ends the process); the last of the four
// also with worker threads that end instead of becoming spare ones ("cancelled" for every operation).

TEST_CASE("hand-off: the thread that submitted is stopped in a loop", "[hazards][io]") {
    survives([](const std::atomic<bool>& over) {
        while (!over.load(std::memory_order_relaxed)) {
        }
    });
}

TEST_CASE("hand-off: the thread that submitted computes without a processor, called from a library", "[hazards][io]") {
    survives([](const std::atomic<bool>& over) {
        std::vector<int> numbers(500);
        while (!over) {
            for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i * 7919 % 500);
            std::qsort(numbers.data(), numbers.size(), sizeof(int), slow_ascending);
        }
    });
}

TEST_CASE("hand-off: the thread that submitted sleeps in the kernel", "[hazards][io]") {
    survives([](const std::atomic<bool>& over) {
        std::array<int, 2> pipe{};
        REEVE_EXPECT(::pipe2(pipe.data(), O_CLOEXEC) == 0);
        std::atomic<bool> has_begun{false};
        auto writer = reeve::spawn([&] {
            while (!has_begun || !over) (void)reeve::sleep_for(200us);
            REEVE_EXPECT(::write(pipe[1], "x", 1) == 1);
        });
        has_begun = true;
        char byte = 0;
        REEVE_EXPECT(::read(pipe[0], &byte, 1) == 1);
        writer.join();
        ::close(pipe[0]);
        ::close(pipe[1]);
    });
}

TEST_CASE("hand-off: the thread that submitted has become a spare one", "[hazards][io]") {
    reeve::test::run_everywhere(
        [] {
            // The hogs sit on threads of their own already. So what the other fibers do is done by a spare thread, which
            // then gives the processor to the thread of a hog, and goes back.
            const reeve::test::Hogs hogs;
            for (int i = 0; i < 10; ++i) {
                InFlight flight;
                flight.start();
                (void)reeve::sleep_for(2ms);
                flight.complete();
                flight.expect_all();
            }
        },
        reeve::test::short_slices);
}

// Completions must appear while the submitter computes: the kernel's own tests of who submits do not show that.
TEST_CASE("hand-off: the ring is a plain one", "[hazards][io]") {
    const char* root = std::getenv("REEVE_SOURCE_ROOT");
    if (!root) {
        WARN("left out: REEVE_SOURCE_ROOT is not set");
        return;
    }
    std::ifstream file(std::string(root) + "/runtime/os/ring.cpp");
    std::stringstream text;
    text << file.rdbuf();
    REQUIRE(text.str().find("IORING_SETUP_") != std::string::npos);
    for (const char* flag : {"SETUP_SINGLE_ISSUER", "SETUP_DEFER_TASKRUN", "SETUP_COOP_TASKRUN"})
        CHECK(text.str().find(flag) == std::string::npos);
}
