#include "apps/starve/hogs.hpp"

#include <unistd.h>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>

namespace reeve::starve {
namespace {

[[noreturn]] void hog_loop() {
    // An endless loop without any effect is undefined in C++; the empty assembly is an effect the compiler
    // must keep.
    for (;;) asm volatile("");
}

[[noreturn]] void hog_printf() {
    for (unsigned i = 0;; ++i) std::printf("still here: %u\n", i);
}

[[noreturn]] void hog_malloc() {
    for (std::size_t i = 0;; ++i) {
        void* memory = std::malloc(16 + i % 5000);
        asm volatile("" : : "r"(memory) : "memory");  // or the pair is optimised away
        std::free(memory);
    }
}

[[noreturn]] void hog_exception() {
    for (;;) {
        try {
            throw std::runtime_error("again");
        } catch (const std::runtime_error&) {
            asm volatile("");
        }
    }
}

[[noreturn]] void hog_mutex() {
    static std::mutex mutex;
    for (;;) {
        const std::lock_guard lock(mutex);
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
        while (std::chrono::steady_clock::now() < end) asm volatile("");
    }
}

[[noreturn]] void hog_read() {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) std::abort();
    for (;;) {
        char nothing;
        if (read(ends[0], &nothing, 1) == 0) std::abort();  // the other end stays open: nothing ever comes
    }
}

[[noreturn]] void hog_usleep() {
    for (;;) usleep(200'000);
}

constexpr std::array k_kinds{
    HogKind{"loop", "an empty endless loop", hog_loop},
    HogKind{"printf", "printf in a loop", hog_printf},
    HogKind{"malloc", "malloc and free in a loop", hog_malloc},
    HogKind{"exception", "throwing and catching in a loop", hog_exception},
    HogKind{"mutex", "computing while holding a std::mutex all hogs share", hog_mutex},
    HogKind{"read", "a blocking read on a pipe nobody writes to", hog_read},
    HogKind{"usleep", "usleep(200000) in a loop", hog_usleep},
};

}  // namespace

std::span<const HogKind> hog_kinds() { return k_kinds; }

std::optional<HogKind> hog_kind(std::string_view name) {
    for (const HogKind& kind : k_kinds)
        if (name == kind.name) return kind;
    return std::nullopt;
}

}  // namespace reeve::starve
