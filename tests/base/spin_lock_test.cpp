// SpinLock: mutual exclusion, by an exact final count.
#include "runtime/base/spin_lock.hpp"

#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

TEST_CASE("spin lock: increments under it are never lost", "[spin_lock]") {
    constexpr int k_threads = 4;
    constexpr int k_each = 20'000;
    reeve::SpinLock lock;
    int counter = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < k_threads; ++i)
        threads.emplace_back([&] {
            for (int k = 0; k < k_each; ++k) {
                const reeve::SpinGuard guard(lock);
                ++counter;
            }
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(counter == k_threads * k_each);
}

TEST_CASE("spin lock: try_lock fails while it is held", "[spin_lock]") {
    reeve::SpinLock lock;
    CHECK(lock.try_lock());
    CHECK_FALSE(lock.try_lock());
    lock.unlock();
    CHECK(lock.try_lock());
    lock.unlock();
}
