// Profile and Latency: when the simulated model's tokens come, and how many there are.
//
// Idea. A served model has two times. Until the first token: a fixed overhead plus a time per token of the prompt, with
// lognormal noise. Between tokens: lognormal around a median, longer under load, and once in a thousand ten times as
// long (a batch that had to wait). Answer lengths are lognormal as in public traces of chat services (median about 150
// tokens, a few over 1,000).
//
// Values; never park; chance comes from the caller.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "apps/gateway/random.hpp"
#include "runtime/base/time.hpp"

namespace reeve::gateway {

struct Profile {
    std::string_view name;
    Duration prefill_overhead;
    Duration prefill_per_token;
    Duration gap_median;

    static constexpr double k_prefill_sigma = 0.15;
    static constexpr double k_gap_sigma = 0.3;
    static constexpr double k_stall_probability = 0.001;
    static constexpr double k_stall_factor = 10.0;
    // Gaps are twice as long when this many requests are answered at once, and stay so beyond.
    static constexpr double k_active_max = 1000.0;
    static constexpr double k_length_mu = 5.0;
    static constexpr double k_length_sigma = 0.86;
};

// "instant": no waiting at all. "fast": 10 ms, then 1 ms a token. "default": 300 ms for a prompt of 1,000 tokens, then
// 20 ms a token. No value for any other name.
[[nodiscard]] std::optional<Profile> profile_of(std::string_view name);

[[nodiscard]] Duration time_to_first_token(const Profile& profile, std::size_t prompt_tokens, Random& random);
[[nodiscard]] Duration gap_between_tokens(const Profile& profile, std::size_t active_requests, Random& random);
// At least 1.
[[nodiscard]] std::size_t answer_tokens(Random& random);

}  // namespace reeve::gateway
