#include "apps/gateway/latency.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace reeve::gateway {

using namespace std::chrono_literals;

static constexpr std::array<Profile, 3> k_profiles = {{
    {"instant", 0ns, 0ns, 0ns},
    {"fast", 10ms, 0ns, 1ms},
    // Together 300 ms at the median prompt of the public traces, about 1,000 tokens.
    {"default", 200ms, 100us, 20ms},
}};

std::optional<Profile> profile_of(std::string_view name) {
    for (const Profile& profile : k_profiles)
        if (profile.name == name) return profile;
    return std::nullopt;
}

static Duration scaled(Duration duration, double factor) {
    return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * factor));
}

Duration time_to_first_token(const Profile& profile, std::size_t prompt_tokens, Random& random) {
    const Duration prefill = scaled(profile.prefill_per_token, static_cast<double>(prompt_tokens));
    return scaled(profile.prefill_overhead + prefill, random.lognormal(0.0, Profile::k_prefill_sigma));
}

Duration gap_between_tokens(const Profile& profile, std::size_t active_requests, Random& random) {
    const double load = std::min(1.0, static_cast<double>(active_requests) / Profile::k_active_max);
    const double stall = random.uniform() < Profile::k_stall_probability ? Profile::k_stall_factor : 1.0;
    return scaled(profile.gap_median, random.lognormal(0.0, Profile::k_gap_sigma) * (1.0 + load) * stall);
}

std::size_t answer_tokens(Random& random) {
    const double length = random.lognormal(Profile::k_length_mu, Profile::k_length_sigma);
    return std::max<std::size_t>(1, static_cast<std::size_t>(length));
}

}  // namespace reeve::gateway
