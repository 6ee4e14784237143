// Bench: a small harness for benchmark programs. Each result is one line of JSON on standard output.
//
//     reeve::bench::Bench bench(argc, argv);
//     bench.time("yield", {{"workers", 1}}, {.small = 100'000, .real = 5'000'000}, [](std::uint64_t n) { ... });
//
// A body does its work n times and returns the nanoseconds that took: it takes the time itself, since setting up (a
// run() around it, say) is not what is measured. It is repeated, and the median is reported beside the extremes,
// because the machines these run on are noisy. Small sizes give a first impression, real ones (--full) figures to
// quote; --smoke only shows in every test run that everything still works.
//
// Arguments: names select benchmarks (a name matches when it starts so), --full, --smoke, --rounds N. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace reeve::bench {

using Fields = std::vector<std::pair<std::string, double>>;

struct Sizes {
    std::uint64_t small;
    std::uint64_t real;
};

// Nanoseconds of the monotonic clock.
inline std::int64_t clock_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// CPU time of all threads of this process, in nanoseconds.
inline std::int64_t cpu_ns() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1'000'000'000 + used.tv_nsec;
}

// A value the optimiser must not do without.
template <class T>
void keep(const T& value) {
    asm volatile("" : : "r,m"(value) : "memory");
}

// The quantile of unsorted values; 0 when there are none.
inline double quantile(std::vector<double> values, double share) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(static_cast<double>(values.size() - 1) * share)];
}

// A line of /proc/self/status in bytes: "VmRSS", "VmPTE".
inline std::uint64_t status_bytes(const std::string& key) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(key + ":")) return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10) * 1024;
    return 0;
}

class Bench {
public:
    Bench(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            if (std::strcmp(argv[i], "--full") == 0)
                is_full_ = true;
            else if (std::strcmp(argv[i], "--smoke") == 0)
                is_smoke_ = true;
            else if (std::strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
                rounds_ = std::max(1, std::atoi(argv[++i]));
            else
                names_.emplace_back(argv[i]);
        }
    }

    [[nodiscard]] bool is_wanted(const std::string& name) const {
        return names_.empty() ||
               std::any_of(names_.begin(), names_.end(), [&](const auto& n) { return name.starts_with(n); });
    }

    [[nodiscard]] std::uint64_t size(Sizes sizes) const {
        if (is_smoke_) return std::max<std::uint64_t>(sizes.small / k_smoke_divisor, 10);
        return is_full_ ? sizes.real : sizes.small;
    }

    // Runs the body and reports nanoseconds per operation.
    void time(const std::string& name, Fields params, Sizes sizes,
              const std::function<std::int64_t(std::uint64_t)>& body) {
        if (!is_wanted(name)) return;
        const std::uint64_t n = size(sizes);
        body(n / 10 + 1);  // warm: pages touched, pools filled
        std::vector<double> ns_per_op;
        for (int round = 0; round < rounds_; ++round)
            ns_per_op.push_back(static_cast<double>(body(n)) / static_cast<double>(n));
        params.emplace_back("n", static_cast<double>(n));
        params.emplace_back("rounds", rounds_);
        report(name, params,
               {{"ns_per_op", quantile(ns_per_op, 0.5)},
                {"ns_per_op_min", quantile(ns_per_op, 0)},
                {"ns_per_op_max", quantile(ns_per_op, 1)}});
    }

    static void report(const std::string& name, const Fields& params, const Fields& metrics) {
        std::string line = "{\"name\": \"" + name + "\", \"params\": {" + text(params) + "}, " + text(metrics) + "}";
        std::puts(line.c_str());
        std::fflush(stdout);
    }

private:
    static std::string text(const Fields& fields) {
        std::string all;
        for (const auto& [name, value] : fields) {
            char number[64];
            const bool is_whole = value == static_cast<double>(static_cast<std::int64_t>(value));
            std::snprintf(number, sizeof number, is_whole ? "%.0f" : "%.2f", value);
            all += (all.empty() ? "\"" : ", \"") + name + "\": " + number;
        }
        return all;
    }

    static constexpr std::uint64_t k_smoke_divisor = 100;

    std::vector<std::string> names_;
    bool is_full_ = false;
    bool is_smoke_ = false;
    int rounds_ = 5;
};

}  // namespace reeve::bench
