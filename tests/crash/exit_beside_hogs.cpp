// Exits with status 7, from a fiber, while others are stopped, compute without a processor, and sleep in the kernel. With the
// argument "return" main returns instead, once the runtime has abandoned those it cannot end.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"

namespace {

// Destroyed at exit, while the others go on.
struct Global {
    ~Global() {
        words.clear();
        std::puts("destroyed");
    }
    std::vector<std::string> words{"some", "words", "that are too long for the string's own room"};
} g_global;

void compute() {
    for (;;) asm volatile("");
}

int ascending(const void* a, const void* b) {
    for (int i = 0; i < 1000; ++i) asm volatile("" : "+r"(i));
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

// Called from a library, so never stopped: it runs on without a processor.
void compute_in_library() {
    std::vector<int> numbers(1000);
    for (;;) {
        for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i * 7919 % 1000);
        std::qsort(numbers.data(), numbers.size(), sizeof(int), ascending);
    }
}

}  // namespace

int main(int count, char** arguments) {
    const bool returns = count > 1 && std::strcmp(arguments[1], "return") == 0;
    reeve::Config config;
    config.workers = 2;
    config.quantum = std::chrono::microseconds(100);
    config.shutdown_grace = std::chrono::milliseconds(50);
    reeve::run(config, [returns] {
        for (int i = 0; i < 4; ++i) reeve::go({.name = "hog"}, compute);
        for (int i = 0; i < 2; ++i) reeve::go({.name = "sorter"}, compute_in_library);
        reeve::go({.name = "blocked"}, [] { ::pause(); });
        (void)reeve::sleep_for(std::chrono::milliseconds(20));
        if (!returns) std::exit(7);
    });
    return 7;
}
