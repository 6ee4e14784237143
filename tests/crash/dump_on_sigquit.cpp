// Goes on: SIGQUIT prints every fiber. Ends by itself after a while.
#include <cstdio>

#include "runtime/runtime.hpp"

int main() {
    reeve::run([] {
        const reeve::Channel<int> never;
        auto waiting = reeve::spawn({.name = "waiting"}, [never] { (void)never.recv(); });
        auto spinning = reeve::spawn({.name = "spinning"}, [] {
            const std::int64_t until = reeve::now_ns() + 20'000'000'000;
            while (reeve::now_ns() < until && !reeve::this_fiber::is_cancelled()) {
            }
        });
        (void)reeve::sleep_for(std::chrono::milliseconds(20));
        std::puts("ready");
        std::fflush(stdout);
        (void)reeve::sleep_for(std::chrono::seconds(20));
        waiting.cancel();
        spinning.cancel();
    });
}
