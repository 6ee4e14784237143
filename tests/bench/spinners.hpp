// Spinners: fibers that compute until the end of their scope and never call the runtime, counting what they do.
//
// They never let go of their threads, so that the CPU clock of its thread is a spinner's own. Made and destroyed by a fiber,
// which parks until all have begun, or ended.
#pragma once

#include <pthread.h>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <vector>

#include "runtime/go.hpp"
#include "runtime/sleep.hpp"
#include "tests/bench/work.hpp"

namespace reeve::bench {

inline std::int64_t read_clock(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

class Spinners {
public:
    static constexpr std::uint64_t k_steps = 1000;  // of a unit: about a microsecond

    explicit Spinners(unsigned count) : all_(count) {
        for (Spinner& one : all_)
            joins_.push_back(spawn([this, &one] {
                pthread_getcpuclockid(pthread_self(), &one.clock);
                one.has_begun.store(true, std::memory_order_release);
                std::uint64_t units = 0;
                while (!stop_.load(std::memory_order_relaxed)) {
                    compute(k_steps, units);
                    one.work.store(++units, std::memory_order_relaxed);
                }
            }));
        for (Spinner& one : all_)
            while (!one.has_begun.load(std::memory_order_acquire)) (void)sleep_for(std::chrono::milliseconds(1));
    }
    ~Spinners() {
        stop_ = true;
        for (auto& join : joins_) join.join();
    }
    Spinners(const Spinners&) = delete;
    Spinners& operator=(const Spinners&) = delete;

    [[nodiscard]] std::vector<double> work() const {
        std::vector<double> units;
        for (const Spinner& one : all_) units.push_back(static_cast<double>(one.work.load(std::memory_order_relaxed)));
        return units;
    }
    [[nodiscard]] double cpu_ns() const {
        double sum = 0;
        for (const Spinner& one : all_) sum += static_cast<double>(read_clock(one.clock));
        return sum;
    }

private:
    struct alignas(64) Spinner {
        std::atomic<std::uint64_t> work{0};  // units done
        std::atomic<bool> has_begun{false};
        clockid_t clock{};  // of its thread
    };

    std::atomic<bool> stop_{false};
    std::vector<Spinner> all_;
    std::vector<Join<void>> joins_;
};

}  // namespace reeve::bench
