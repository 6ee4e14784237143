// Hogs: fibers that compute beside a test, more of them than there are workers. Yielders: fibers that are always runnable, so
// that no processor is ever idle: a thread that computes without a processor is signalled only while none is.
//
// Made and destroyed by a fiber; the destructors end them and wait. `short_slices` is for run_everywhere().
#pragma once

#include <atomic>
#include <chrono>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

namespace reeve::test {

class Hogs {
public:
    explicit Hogs(unsigned count = workers() + 1) {
        for (unsigned i = 0; i < count; ++i)
            joins_.push_back(spawn({.name = "hog"}, [this] {
                ++begun_;
                while (!stop_.load(std::memory_order_relaxed)) {
                }
            }));
        while (begun_.load() < count) (void)sleep_for(std::chrono::milliseconds(1));
    }
    ~Hogs() {
        stop_ = true;
        for (auto& join : joins_) join.join();
    }
    Hogs(const Hogs&) = delete;
    Hogs& operator=(const Hogs&) = delete;

private:
    std::atomic<bool> stop_{false};
    std::atomic<unsigned> begun_{0};
    std::vector<Join<void>> joins_;
};

class Yielders {
public:
    Yielders() {
        for (unsigned i = 0; i < 2 * workers(); ++i)
            joins_.push_back(spawn({.name = "yielder"}, [this] {
                while (!stop_.load(std::memory_order_relaxed)) this_fiber::yield();
            }));
    }
    ~Yielders() { stop_ = true; }
    Yielders(const Yielders&) = delete;
    Yielders& operator=(const Yielders&) = delete;

private:
    std::atomic<bool> stop_{false};
    std::vector<Join<void>> joins_;
};

inline void short_slices(Config& config) { config.quantum = std::chrono::microseconds(100); }

}  // namespace reeve::test
