// Goes on, under load, until SIGTERM; for tests that stop it or look into it from outside. Says ten times a second how far
// it is, and at the end whether everything that was counted is right. With the argument `alone`: a fiber that computes for
// each worker and nobody waiting; then it speaks whenever it finds that it was stopped.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <vector>

#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

namespace {

std::atomic<bool> g_stop{false};

void compute_for(std::int64_t ns) {
    const std::int64_t until = reeve::now_ns() + ns;
    while (reeve::now_ns() < until) {
    }
}

void print_stops() {
    auto other = reeve::spawn([] {
        while (!g_stop.load(std::memory_order_relaxed)) {
        }
    });
    compute_for(50'000'000);  // the other has begun, and whoever searched for work has found that there is none
    int stops = 0;
    for (std::int64_t last = 0; !g_stop;) {
        const std::int64_t now = reeve::now_ns();
        if (now - last > 100'000'000) {
            compute_for(20'000'000);  // the monitor looks
            const reeve::Stats stats = reeve::stats();
            std::printf("stops %d taken %llu signals %llu\n", stops++, static_cast<unsigned long long>(stats.processors_taken),
                        static_cast<unsigned long long>(stats.preempt_signals));
            std::fflush(stdout);
        }
        last = now;
    }
}

}  // namespace

int main(int count, char**) {
    ::signal(SIGTERM, [](int) { g_stop = true; });
    reeve::Config config = reeve::Config::from_env();
    config.workers = 2;
    if (count > 1) {
        reeve::run(config, [] { print_stops(); });
        return 0;
    }
    bool is_right = true;
    reeve::run(config, [&is_right] {
        std::vector<reeve::Join<void>> hogs;
        for (int i = 0; i < 3; ++i)
            hogs.push_back(reeve::spawn({.name = "hog"}, [] {
                while (!g_stop.load(std::memory_order_relaxed)) {
                }
            }));
        reeve::Channel<long> channel(1);
        std::atomic<long> received{0};
        auto receiver = reeve::spawn({.name = "receiver"}, [channel, &received]() mutable {
            while (channel.recv()) ++received;
        });
        long sent = 0;
        while (!g_stop) {
            for (int i = 0; i < 50; ++i) {
                if (!channel.send(sent)) is_right = false;
                ++sent;
                if (!reeve::sleep_for(2ms)) is_right = false;
            }
            const reeve::Stats stats = reeve::stats();
            std::printf("sent %ld taken %llu signals %llu\n", sent, static_cast<unsigned long long>(stats.processors_taken),
                        static_cast<unsigned long long>(stats.preempt_signals));
            std::fflush(stdout);
        }
        channel.close();
        receiver.join();
        is_right = is_right && received == sent;
    });
    std::printf("ended %s\n", is_right ? "right" : "wrong");
    return is_right ? 0 : 1;
}
