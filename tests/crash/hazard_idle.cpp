// Goes on, asleep: the main fiber waits for what never comes. For the test that nothing at all happens then.
#include <cstdio>

#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

int main() {
    reeve::Config config = reeve::Config::from_env();
    config.workers = 2;
    reeve::run(config, [] {
        std::puts("ready");
        std::fflush(stdout);
        const reeve::Channel<int> never;
        (void)never.recv(60s);
    });
}
