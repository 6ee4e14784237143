// TimerCrowd: until when a worker with nothing to do sleeps.
//
// Idea. Falling asleep until a timer comes and waking up costs some 30 us of CPU. Where timers come due faster than that, a worker
// that slept until each would do nothing else; so once many came due since it last slept, the next are waited for together, at the
// price of so much lateness (the kernel's timer slack, but only where it pays).
//
// The holder of the processor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace reeve::sched {

class TimerCrowd {
public:
    static constexpr std::size_t k_many = 8;
    static constexpr std::int64_t k_together_ns = 100'000;

    void note_fired(std::size_t count) { fired_ += count; }
    void note_slept() { fired_ = 0; }

    // `earliest_ns`: when the first timer comes.
    [[nodiscard]] std::int64_t sleep_until(std::int64_t earliest_ns, std::int64_t now_ns) const {
        return fired_ < k_many ? earliest_ns : std::max(earliest_ns, now_ns + k_together_ns);
    }

private:
    std::size_t fired_ = 0;  // since it last slept
};

}  // namespace reeve::sched
