// C++ exceptions across parks: each fiber has its own state, whatever the others do meanwhile.
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;

REEVE_TEST("exception: park inside a catch block, among others that do the same", "[exception]") {
    std::vector<reeve::Join<bool>> joins;
    for (int i = 0; i < 200; ++i)
        joins.push_back(reeve::spawn([i] {
            try {
                throw std::runtime_error(std::to_string(i));
            } catch (const std::runtime_error& error) {
                (void)reeve::sleep_for(std::chrono::microseconds(100 * (i % 7)));
                reeve::this_fiber::yield();
                if (error.what() != std::to_string(i)) return false;
                try {
                    throw;  // the current exception is still this fiber's
                } catch (const std::runtime_error& again) {
                    return again.what() == std::to_string(i);
                }
            }
            return false;
        }));
    for (auto& join : joins) REEVE_EXPECT(join.join());
}

REEVE_TEST("exception: park in a destructor during unwinding", "[exception]") {
    struct Parks {
        ~Parks() {
            before = std::uncaught_exceptions();
            (void)reeve::sleep_for(1ms);
            after = std::uncaught_exceptions();
        }
        int& before;
        int& after;
    };
    std::vector<reeve::Join<bool>> joins;
    for (int i = 0; i < 50; ++i)
        joins.push_back(reeve::spawn([] {
            int before = 0;
            int after = 0;
            try {
                const Parks parks{before, after};
                throw 5;
            } catch (const int value) {
                return value == 5 && before == 1 && after == 1 && std::uncaught_exceptions() == 0;
            }
        }));
    for (auto& join : joins) REEVE_EXPECT(join.join());
}

REEVE_TEST("exception: a fiber that catches sees nothing of one that throws elsewhere", "[exception]") {
    auto holder = reeve::spawn([] {
        try {
            throw 1;
        } catch (int) {
            (void)reeve::sleep_for(5ms);
            return std::current_exception() != nullptr;
        }
    });
    auto clean = reeve::spawn([] {
        for (int i = 0; i < 100; ++i) {
            if (std::current_exception() != nullptr || std::uncaught_exceptions() != 0) return false;
            reeve::this_fiber::yield();
        }
        return true;
    });
    REEVE_EXPECT(clean.join());
    REEVE_EXPECT(holder.join());
}
