// Must die: a fiber recurses without end, slowly, so that it is preempted on the way, among others that compute.
#include "runtime/runtime.hpp"

namespace {

[[gnu::noinline]] int deeper(int depth) {
    volatile char frame[512];
    frame[0] = static_cast<char>(depth);
    for (int i = 0; i < 40'000; ++i) asm volatile("" : "+r"(i));
    return depth < 0 ? 0 : deeper(depth + 1) + frame[0];
}

}  // namespace

int main() {
    reeve::Config config;
    config.workers = 2;
    config.quantum = std::chrono::microseconds(100);
    reeve::run(config, [] {
        for (int i = 0; i < 4; ++i)
            reeve::go({.name = "hog"}, [] {
                for (;;) asm volatile("");
            });
        return reeve::spawn({.name = "deep", .stack_bytes = 64 * 1024}, [] { return deeper(0); }).join();
    });
}
