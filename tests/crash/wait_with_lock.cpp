// Fibers that wait, yield and end while they hold a lock of the operating system, each twice, and some that may.
#include <chrono>
#include <cstdio>
#include <mutex>
#include <shared_mutex>

#include "runtime/runtime.hpp"

using namespace std::chrono_literals;

namespace {

std::mutex s_mutex;
std::shared_mutex s_shared;
std::mutex s_never_released;

int lazy() {
    static const int s_value = [] {
        (void)reeve::sleep_for(1ms);
        return 1;
    }();
    return s_value;
}

void wait_for_word() {
    const reeve::Channel<int> words;
    auto sender = reeve::spawn({.name = "sender"}, [words] {
        (void)reeve::sleep_for(1ms);
        (void)words.send(1);
    });
    {
        const std::lock_guard guard(s_mutex);
        (void)words.recv();
    }
    sender.join();
}

}  // namespace

int main() {
    reeve::run(reeve::Config::from_env(), [] {
        for (int i = 0; i < 2; ++i) {
            reeve::spawn({.name = "receiver"}, wait_for_word).join();
            reeve::spawn({.name = "yielder"}, [] {
                const std::shared_lock guard(s_shared);
                reeve::this_fiber::yield();
            }).join();
            reeve::spawn({.name = "initialiser"}, [] { (void)lazy(); }).join();
        }
        reeve::spawn({.name = "ender"}, [] { s_never_released.lock(); }).join();
        reeve::spawn({.name = "pinned"}, [] {
            const reeve::PinToThread pin;
            const std::lock_guard guard(s_mutex);
            (void)reeve::sleep_for(1ms);
        }).join();
        reeve::spawn({.name = "without"}, [] {
            { const std::lock_guard guard(s_mutex); }
            (void)reeve::sleep_for(1ms);
        }).join();
    });
    std::puts("done");
}
