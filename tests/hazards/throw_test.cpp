// C++ exceptions in flight across parks that migrate and across preemption: each fiber sees its own and the right number.
//
// Every fiber walks through the same program of throws with its own seed, and parks, computes or does nothing at each
// point of it. What it counts on the way is exact.
#include <dlfcn.h>
#include <link.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/hazards/hogs.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int k_fibers = 24;
constexpr int k_rounds = reeve::test::is_sanitized() ? 20 : 60;

class Walk {
public:
    explicit Walk(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15U | 1U) {}

    // A place where the fiber may leave its thread, or be stopped. What is in flight must be the same afterwards.
    void point(int uncaught) {
        expect(uncaught);
        const std::exception_ptr caught = std::current_exception();
        switch (next() % 5) {
            case 0: (void)reeve::sleep_for(std::chrono::microseconds(next() % 200)); break;
            case 1: reeve::this_fiber::yield(); break;
            case 2:
                for (std::uint64_t i = next() % 60'000; i > 0; --i) asm volatile("" : "+r"(i));
                break;
            default: break;
        }
        expect(uncaught);
        REEVE_EXPECT(std::current_exception() == caught);
        ++points;
    }

    int points = 0;

private:
    static void expect(int uncaught) { REEVE_EXPECT(std::uncaught_exceptions() == uncaught); }
    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }

    std::uint64_t state_;
};

// Its destructor parks while an exception passes, throws and catches another one inside, and parks in that one, too.
struct Unwound {
    Unwound(Walk& walk, int depth, int uncaught) : walk_(walk), depth_(depth), uncaught_(uncaught) {}
    ~Unwound() {
        walk_.point(uncaught_);
        if (depth_ == 0) return;
        try {
            const Unwound inner(walk_, depth_ - 1, uncaught_ + 1);
            throw depth_;
        } catch (const int caught) {
            REEVE_EXPECT(caught == depth_);
            walk_.point(uncaught_);
        }
    }
    Unwound(const Unwound&) = delete;
    Unwound& operator=(const Unwound&) = delete;

private:
    Walk& walk_;
    int depth_;
    int uncaught_;
};

// Throws at the bottom; each level above catches, parks, and throws on, every second one something of its own.
void nested(Walk& walk, int depth) {
    const Unwound unwound(walk, 1, 1);
    if (depth == 0) throw std::runtime_error("bottom");
    try {
        nested(walk, depth - 1);
    } catch (const std::runtime_error& error) {
        walk.point(0);
        REEVE_EXPECT(std::string(error.what()).ends_with("bottom"));
        if (depth % 2 == 0) throw std::runtime_error(std::to_string(depth) + error.what());
        throw;
    }
}

int walk_through(int seed) {
    constexpr int k_depth = 4;
    Walk walk(static_cast<std::uint64_t>(seed));
    std::string text;
    try {
        nested(walk, k_depth);
    } catch (const std::exception& error) {
        text = error.what();
        walk.point(0);
    }
    walk.point(0);
    REEVE_EXPECT(text == "42bottom");
    REEVE_EXPECT(std::current_exception() == nullptr);
    return walk.points;
}

// Of one walk: five levels of unwinding with three points each, four catches, two at the end.
constexpr int k_points = 5 * 3 + 4 + 2;

}  // namespace

// Seen failing with the exception state taken out of Worker::load(): std::terminate().
TEST_CASE("throw: exceptions in flight stay with their fibers, whatever the others throw", "[hazards][exception]") {
    reeve::test::run_everywhere(
        [] {
            const reeve::test::Hogs hogs;
            std::vector<reeve::Join<int>> walkers;
            for (int fiber = 0; fiber < k_fibers; ++fiber)
                walkers.push_back(reeve::spawn([fiber] {
                    int points = 0;
                    for (int round = 0; round < k_rounds; ++round) points += walk_through(1 + fiber * k_rounds + round);
                    return points;
                }));
            for (auto& walker : walkers) REEVE_EXPECT(walker.join() == k_rounds * k_points);
        },
        reeve::test::short_slices);
}

// The unwinder walks the list of loaded libraries, under the loader's lock, while others load and unload.
// Seen failing with a handler that switches to another fiber where it stands: malloc aborts.
TEST_CASE("throw: a storm of throws beside dlopen, dlclose and dl_iterate_phdr", "[hazards][exception]") {
    // Of the C library's own small ones, for old programs: nobody has it loaded.
    static constexpr const char* k_library = "libBrokenLocale.so.1";
    void* probe = ::dlopen(k_library, RTLD_NOW | RTLD_LOCAL);
    const bool has_library = probe != nullptr;
    if (has_library) ::dlclose(probe);
    if (!has_library) WARN(k_library << " is missing: without dlopen");
    reeve::test::run_everywhere(
        [has_library] {
            const reeve::test::Hogs hogs;
            std::atomic<long> caught{0};
            std::vector<reeve::Join<void>> fibers;
            constexpr int k_throws = reeve::test::is_sanitized() ? 500 : 4000;
            // ThreadSanitizer has threads stopped inside the loader, with its lock, and everybody waits for their next turn.
            constexpr int k_opened = reeve::test::is_thread_sanitized() ? 20 : 200;
            constexpr int k_listed = reeve::test::is_thread_sanitized() ? 200 : 2000;
            for (int fiber = 0; fiber < 8; ++fiber)
                fibers.push_back(reeve::spawn([fiber, &caught] {
                    for (int i = 0; i < k_throws; ++i) {
                        try {
                            if (i % 64 == 0) reeve::this_fiber::yield();
                            throw std::runtime_error(std::to_string(fiber * k_throws + i));
                        } catch (const std::runtime_error& error) {
                            if (error.what() == std::to_string(fiber * k_throws + i)) ++caught;
                        }
                    }
                }));
            if (has_library)
                fibers.push_back(reeve::spawn([] {
                    for (int i = 0; i < k_opened; ++i) {
                        void* library = ::dlopen(k_library, RTLD_NOW | RTLD_LOCAL);
                        REEVE_EXPECT(library != nullptr);
                        if (library) REEVE_EXPECT(::dlclose(library) == 0);
                    }
                }));
            fibers.push_back(reeve::spawn([] {
                for (int i = 0; i < k_listed; ++i) {
                    int objects = 0;
                    const auto count = [](dl_phdr_info*, std::size_t, void* raw) {
                        for (int n = 0; n < 200; ++n) asm volatile("" : "+r"(n));
                        ++*static_cast<int*>(raw);
                        return 0;
                    };
                    REEVE_EXPECT(::dl_iterate_phdr(count, &objects) == 0);
                    REEVE_EXPECT(objects > 2);
                }
            }));
            for (auto& fiber : fibers) fiber.join();
            REEVE_EXPECT(caught.load() == 8L * k_throws);
        },
        reeve::test::short_slices);
}
