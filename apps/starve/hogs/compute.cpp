// Hogs that use the CPU and nothing else. The comparator of `sort` is called from a library, where no thread is stopped.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"

namespace reeve::starve::hogs {
namespace {

std::int64_t clock_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Four vectors that live in registers as long as the loop lasts: what a switch must not lose, upper halves included.
template <class Lanes>
[[gnu::always_inline]] inline std::uint64_t mix_lanes(std::uint64_t seed, std::uint64_t rounds) {
    constexpr unsigned k_lanes = sizeof(Lanes) / sizeof(std::uint64_t);
    Lanes a, b, c, d;
    for (unsigned i = 0; i < k_lanes; ++i) {
        a[i] = mix(seed + i);
        b[i] = mix(seed + i + 100);
        c[i] = mix(seed + i + 200);
        d[i] = mix(seed + i + 300);
    }
    for (std::uint64_t i = 0; i < rounds; ++i) {
        a += b;
        d = (d ^ a) << 13 ^ (d >> 7);
        c += d;
        b = (b ^ c) >> 9 ^ (b << 21);
    }
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < k_lanes; ++i) sum = mix(sum ^ a[i]) + mix(b[i]) + c[i] * 3 + d[i];
    return sum;
}

using Lanes2 = std::uint64_t __attribute__((vector_size(16)));
using Lanes4 = std::uint64_t __attribute__((vector_size(32)));
using Lanes8 = std::uint64_t __attribute__((vector_size(64)));

std::uint64_t mix_sse2(std::uint64_t seed, std::uint64_t rounds) { return mix_lanes<Lanes2>(seed, rounds); }

[[gnu::target("avx2")]] std::uint64_t mix_avx2(std::uint64_t seed, std::uint64_t rounds) {
    return mix_lanes<Lanes4>(seed, rounds);
}

[[gnu::target("avx512f")]] std::uint64_t mix_avx512(std::uint64_t seed, std::uint64_t rounds) {
    return mix_lanes<Lanes8>(seed, rounds);
}

using MixLanes = std::uint64_t (*)(std::uint64_t seed, std::uint64_t rounds);

MixLanes widest_lanes() {
    if (__builtin_cpu_supports("avx512f")) return mix_avx512;
    if (__builtin_cpu_supports("avx2")) return mix_avx2;
    std::fputs("hog avx: this CPU has no AVX2, the loop uses SSE2 registers instead\n", stderr);
    return mix_sse2;
}

int compare_slowly(const void* left, const void* right) {
    const std::uint64_t a = compute(*static_cast<const std::uint64_t*>(left), 30);
    const std::uint64_t b = compute(*static_cast<const std::uint64_t*>(right), 30);
    return a < b ? -1 : a > b ? 1 : 0;
}

}  // namespace

std::uint64_t turn_loop(std::uint64_t seed) { return compute(seed, 10 * k_rounds_per_ms); }

void endless_loop() {
    // An endless loop without any effect is undefined in C++; the empty assembly is an effect the compiler must keep.
    for (;;) asm volatile("");
}

std::uint64_t turn_clock(std::uint64_t seed) {
    std::int64_t last = clock_ns();
    for (unsigned i = 0; i < 200'000 / k_slowness; ++i) {
        const std::int64_t now = clock_ns();
        if (now < last) return broken("clock: it went backwards");
        last = now;
    }
    return mix(seed);
}

std::uint64_t turn_avx(std::uint64_t seed) {
    static const MixLanes s_mix_lanes = widest_lanes();
    return s_mix_lanes(seed, 5 * k_rounds_per_ms);  // these rounds take longer
}

std::uint64_t turn_sort(std::uint64_t seed) {
    std::vector<std::uint64_t> values(4000);
    for (std::uint64_t& value : values) value = seed = mix(seed);
    std::qsort(values.data(), values.size(), sizeof values[0], compare_slowly);
    const auto is_less = [](std::uint64_t a, std::uint64_t b) { return compare_slowly(&a, &b) < 0; };
    if (!std::is_sorted(values.begin(), values.end(), is_less)) return broken("sort: not sorted");
    std::uint64_t sum = 0;
    for (const std::uint64_t value : values) sum = mix(sum ^ value);
    return sum;
}

}  // namespace reeve::starve::hogs
