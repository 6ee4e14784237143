// cold_stacks: what a stack costs that has left the caches, whoever schedules: the floor under what waking many fibers can cost.
//
// Pages as far apart as stacks of 256 KB are visited in random order, six lines of each read and written, as a fiber does that goes
// on: without fetching, with each fetched eight visits before, and with eight fetched at a time (runtime/sched/fetch.hpp says why
// that differs). 50,000 of them, 200 MB, are more than caches hold.
#pragma once

#include <sys/mman.h>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/bench.hpp"

namespace reeve::bench {

class ColdStacks {
public:
    explicit ColdStacks(std::size_t count)
        : bytes_(count * k_apart),
          memory_(static_cast<std::byte*>(
              mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
        if (memory_ == MAP_FAILED) return;
        madvise(memory_, bytes_, MADV_NOHUGEPAGE);
        for (std::size_t i = 0; i < count; ++i) order_.push_back(memory_ + i * k_apart);
        for (std::byte* stack : order_) *stack = std::byte{1};
    }
    ~ColdStacks() {
        if (memory_ != MAP_FAILED) munmap(memory_, bytes_);
    }
    ColdStacks(const ColdStacks&) = delete;
    ColdStacks& operator=(const ColdStacks&) = delete;

    // Nanoseconds per visit. Every `together` visits so many are fetched, `ahead` visits before their turn; 0: none.
    double visit(std::size_t together, std::size_t ahead) {
        std::shuffle(order_.begin(), order_.end(), random_);
        const std::int64_t start = clock_ns();
        for (std::size_t i = 0; i < order_.size(); ++i) {
            if (together != 0 && i % together == 0) {
                const std::size_t first = std::min(i + ahead, order_.size());
                const std::size_t last = std::min(first + together, order_.size());
                for (std::size_t later = first; later < last; ++later) __builtin_prefetch(order_[later], 1);
                for (std::size_t later = first; later < last; ++later)
                    for (std::size_t line = 1; line < k_lines; ++line) __builtin_prefetch(order_[later] + line * k_line, 1);
            }
            for (std::size_t line = 0; line < k_lines; ++line) order_[i][line * k_line] ^= std::byte{1};
            asm volatile("lfence" : : : "memory");  // visits do not overlap by themselves: between them lies a switch of stacks
        }
        return static_cast<double>(clock_ns() - start) / static_cast<double>(order_.size());
    }

private:
    static constexpr std::size_t k_apart = 256 * 1024;
    static constexpr std::size_t k_line = 64;
    static constexpr std::size_t k_lines = 6;

    const std::size_t bytes_;
    std::byte* const memory_;
    std::vector<std::byte*> order_;
    std::mt19937 random_{1};
};

inline void report_cold_stacks(const Bench& bench) {
    if (!bench.is_wanted("cold_stacks")) return;
    constexpr int k_rounds = 5;
    constexpr std::size_t k_many = 8;
    const std::size_t count = bench.size({.small = 50'000, .real = 50'000});
    ColdStacks stacks(count);
    std::vector<double> unfetched;
    std::vector<double> each;
    std::vector<double> together;
    for (int round = 0; round < k_rounds; ++round) {
        unfetched.push_back(stacks.visit(0, 0));
        each.push_back(stacks.visit(1, k_many));
        together.push_back(stacks.visit(k_many, 0));
    }
    Bench::report("cold_stacks", {{"n", static_cast<double>(count)}, {"rounds", k_rounds}},
                  {{"unfetched_ns", quantile(unfetched, 0.5)},
                   {"fetched_each_ns", quantile(each, 0.5)},
                   {"fetched_together_ns", quantile(together, 0.5)}});
}

}  // namespace reeve::bench
