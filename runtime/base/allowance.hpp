// Allowance: a share of all time for somebody who must not take more, with savings for bursts. The share may change.
//
// What is owed is bounded, too: a clock of spent time may jump, for a machine that stood still counts as one that computed, and
// nobody is to make up for that.
//
// Any time and any clock; one caller at a time.
//
// I1  Who keeps to the times that spend() returns has spent, at any of these, at most what has come in and was there at the
//     beginning, as long as no single expense exceeds what may be owed.
#pragma once

#include <algorithm>
#include <cstdint>

namespace reeve {

class Allowance {
public:
    // What is not spent is saved, up to `most_saved_ns`; so much is there at the beginning. More than `most_owed_ns` is forgiven.
    constexpr Allowance(std::int64_t most_saved_ns, std::int64_t most_owed_ns, std::int64_t now_ns)
        : most_saved_ns_(most_saved_ns), most_owed_ns_(most_owed_ns), saved_ns_(most_saved_ns), paid_ns_(now_ns) {}

    // So much was spent since the last call, and a part in `parts` of the time since then has come in. From when on more may
    // be spent: `now_ns`, or, when this was too much, when the same share will have made up for it.
    constexpr std::int64_t spend(std::int64_t spent_ns, std::int64_t parts, std::int64_t now_ns) {
        saved_ns_ = std::min(saved_ns_ + (now_ns - paid_ns_) / parts, most_saved_ns_) - spent_ns;
        saved_ns_ = std::max(saved_ns_, -most_owed_ns_);
        paid_ns_ = now_ns;
        return saved_ns_ >= 0 ? now_ns : now_ns - saved_ns_ * parts;
    }

private:
    std::int64_t most_saved_ns_;
    std::int64_t most_owed_ns_;
    std::int64_t saved_ns_;  // negative: overdrawn
    std::int64_t paid_ns_;   // until when the share has come in
};

}  // namespace reeve
