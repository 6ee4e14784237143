// A small program with fibers of all kinds, to be run under valgrind: parks, timers, channels, exceptions, and fibers that
// compute and are stopped, on stacks that are used again. Prints "all well".
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"

namespace {

using namespace std::chrono_literals;

std::string work(int number) {
    std::string text;
    try {
        const std::vector<int> numbers(100, number);
        (void)reeve::sleep_for(std::chrono::microseconds(100 * number));
        throw std::runtime_error(std::to_string(numbers[50]));
    } catch (const std::runtime_error& error) {
        reeve::this_fiber::yield();
        text = error.what();
    }
    return text;
}

}  // namespace

int main() {
    reeve::Config config;
    config.workers = 2;
    int wrong = 0;
    reeve::run(config, [&wrong] {
        std::atomic<bool> stop{false};
        std::vector<reeve::Join<void>> hogs;
        for (int i = 0; i < 2; ++i)
            hogs.push_back(reeve::spawn([&stop] {
                while (!stop.load(std::memory_order_relaxed)) {
                }
            }));
        reeve::Channel<std::string> channel(4);
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 20; ++i) reeve::go([channel, i] { (void)channel.send(work(i)); });
            int sum = 0;
            for (int i = 0; i < 20; ++i) sum += std::stoi(channel.recv().value());
            wrong += sum != 190 ? 1 : 0;
        }
        stop = true;
        for (auto& hog : hogs) hog.join();
    });
    if (wrong == 0) std::puts("all well");
    return wrong;
}
