// Histogram: how long things lasted, as counts in buckets that grow with the value.
//
// Idea. Log-linear: below 1 us four buckets of 256 ns, from there on four to every doubling, up to 15 s; the last bucket
// takes everything beyond. So a quantile is at most a quarter too long and never too short, whatever the range, and sum
// and maximum are exact. A fixed array, no allocation.
//
// Histogram is a plain value. HistogramRecorder is what it is read from: any thread, signal handlers included, lock-free
// (three relaxed read-modify-writes, some 20 ns while nobody else records); nothing recorded is lost.
//
// I1  A bucket is counted after the maximum has taken the value in: a snapshot's maximum is at least as long as anything
//     its buckets count.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace reeve {

class Histogram {
public:
    static constexpr std::size_t k_buckets = 100;

    // Which bucket counts a duration; negative ones count as 0.
    [[nodiscard]] static constexpr std::size_t bucket_of(std::int64_t ns) {
        const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
        if (value < k_linear_ns) return value / (k_linear_ns / k_steps);
        const auto octave = static_cast<std::size_t>(std::bit_width(value)) - k_linear_bits;  // 1: the first above
        const std::size_t step = (value >> (octave + k_linear_bits - 1 - k_step_bits)) % k_steps;
        return std::min(octave * k_steps + step, k_buckets - 1);
    }
    // The first duration that no longer belongs to a bucket. The last one has no end; this is where it would be.
    [[nodiscard]] static constexpr std::int64_t end_of(std::size_t bucket) {
        const std::size_t octave = bucket / k_steps;
        const std::uint64_t steps = bucket % k_steps + 1;
        if (octave == 0) return static_cast<std::int64_t>(steps * (k_linear_ns / k_steps));
        return static_cast<std::int64_t>((k_steps + steps) << (octave + k_linear_bits - 1 - k_step_bits));
    }

    [[nodiscard]] std::uint64_t count() const {
        std::uint64_t sum = 0;
        for (const std::uint64_t bucket : buckets) sum += bucket;
        return sum;
    }
    // What `share` (0 to 1) of all durations do not exceed: at most a quarter above the true one, never below. 0 if there
    // are none.
    [[nodiscard]] std::int64_t quantile_ns(double share) const {
        const std::uint64_t all = count();
        const auto wanted = static_cast<std::uint64_t>(std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(all)));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i + 1 < k_buckets; ++i) {
            seen += buckets[i];
            if (seen != 0 && seen >= wanted) return std::min(end_of(i) - 1, max_ns);
        }
        return max_ns;
    }
    [[nodiscard]] std::int64_t p50_ns() const { return quantile_ns(0.5); }
    [[nodiscard]] std::int64_t p99_ns() const { return quantile_ns(0.99); }
    [[nodiscard]] std::int64_t mean_ns() const {
        const std::uint64_t all = count();
        return all == 0 ? 0 : sum_ns / static_cast<std::int64_t>(all);
    }

    std::array<std::uint64_t, k_buckets> buckets{};
    std::int64_t sum_ns = 0;
    std::int64_t max_ns = 0;

private:
    static constexpr std::size_t k_step_bits = 2;
    static constexpr std::size_t k_steps = 1 << k_step_bits;
    static constexpr std::size_t k_linear_bits = 10;
    static constexpr std::uint64_t k_linear_ns = 1 << k_linear_bits;
};

class HistogramRecorder {
public:
    void record(std::int64_t ns) noexcept {
        ns = std::max<std::int64_t>(ns, 0);
        std::int64_t longest = max_ns_.load(std::memory_order_relaxed);
        while (ns > longest && !max_ns_.compare_exchange_weak(longest, ns, std::memory_order_relaxed)) {
        }
        sum_ns_.fetch_add(ns, std::memory_order_relaxed);
        buckets_[Histogram::bucket_of(ns)].fetch_add(1, std::memory_order_release);  // I1, pairs with snapshot()
    }
    // Of what happens meanwhile, some may be in.
    [[nodiscard]] Histogram snapshot() const noexcept {
        Histogram copy;
        for (std::size_t i = 0; i < Histogram::k_buckets; ++i) copy.buckets[i] = buckets_[i].load(std::memory_order_acquire);
        copy.sum_ns = sum_ns_.load(std::memory_order_relaxed);
        copy.max_ns = max_ns_.load(std::memory_order_relaxed);
        return copy;
    }

private:
    std::array<std::atomic<std::uint64_t>, Histogram::k_buckets> buckets_{};
    std::atomic<std::int64_t> sum_ns_{0};
    std::atomic<std::int64_t> max_ns_{0};
};

}  // namespace reeve
