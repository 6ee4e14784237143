// A program to be profiled by a test: fibers that compute, nearly all of it in one function. Ends by itself
// in a minute.
#include <chrono>
#include <cstdio>

#include "runtime/runtime.hpp"

namespace {

// No memory is touched, so that sanitizers add no calls of their own.
[[gnu::always_inline]] inline unsigned compute(unsigned steps) {
    unsigned x = steps;
    for (unsigned i = 0; i < steps; ++i) {
        x = x * 31 + 7;
        asm volatile("" : "+r"(x));
    }
    return x;
}

}  // namespace

[[gnu::noinline]] unsigned planted_hot_function() { return compute(2'000'000); }
[[gnu::noinline]] unsigned planted_cold_function() { return compute(100'000); }

[[gnu::noinline]] void planted_handler() {
    const unsigned x = planted_hot_function() + planted_cold_function();
    asm volatile("" : : "r"(x));
}

int main() {
    return reeve::run([] {
        for (int i = 0; i < 3; ++i)
            reeve::go([] {
                for (;;) planted_handler();
            });
        std::puts("ready");
        std::fflush(stdout);
        (void)reeve::sleep_for(std::chrono::minutes(1));
        std::_Exit(0);
    });
}
