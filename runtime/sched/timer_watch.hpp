// TimerWatch: until when a worker with nothing to do sleeps, and who looks at its timers meanwhile.
//
// Idea. Falling asleep until a timer comes and waking up costs some 20 us of CPU. Where timers come due faster than that, a worker
// that slept until each would do nothing else. So where many came due since it last slept, the next are waited for together, at
// the price of so much lateness (the kernel's timer slack, but only where it pays). And one worker wakes up for all: a processor in
// such a crowd, when another is going to look at timers in time, relies on it and sleeps a while longer. Whoever looks at his timers
// looks at those of processors that rely on others as well, and whoever falls asleep wakes up for them (Go's idle threads, of which
// one waits for the timers of all). Should a fiber that computes hold the other one up, the timers are late by that while, once:
// then their own worker wakes up, and relies on nobody who has not looked lately.
//
// Callers. The holder of the processor; needs_others, and what begin_sleep() looks at in others: anybody.
//
// I1  A worker sleeps until k_grace_ns after it would have to wake up for its own timers, at most.
// I2  Nobody relies on one who relies. Both say that they do before they look at the other: of two at least one sees it.
// I3  Whoever falls asleep says first until when, or that it relies, and then looks who else relies; who relies says so first, then
//     looks until when the others sleep (all sequentially consistent). So one who relies on a processor is seen by it as it falls
//     asleep, or sees that it sleeps.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/base/time.hpp"

namespace reeve::sched {

// `Timers`: those of the processor; a parameter so that models can do without.
template <class Timers>
class TimerWatch {
public:
    static constexpr std::uint32_t k_many = 8;
    static constexpr std::int64_t k_together_ns = 100'000;
    static constexpr std::int64_t k_grace_ns = 1'000'000;
    static constexpr std::int64_t k_late_ns = 2 * k_together_ns;

    explicit TimerWatch(Timers& timers) : timers_(timers) {}

    // Awake, with timers fired that were due at `now_ns`: it will look again.
    void note_look(std::int64_t now_ns) { looks_at_ns_.store(now_ns + k_together_ns, std::memory_order_relaxed); }

    // On falling asleep: until when. `for_each_other(visit)` calls visit(TimerWatch&) for those of all other processors.
    template <class ForEachOther>
    [[nodiscard]] std::int64_t begin_sleep(std::int64_t now_ns, ForEachOther for_each_other) {
        const bool is_crowd = timers_.fired() - fired_before_ >= k_many;
        const std::int64_t own_ns = is_crowd ? std::max(timers_.earliest_ns(), now_ns + k_together_ns) : timers_.earliest_ns();
        const auto for_all = [&] {  // and for those who rely
            std::int64_t until_ns = own_ns;
            for_each_other([&](const TimerWatch& other) {
                if (other.is_relying()) until_ns = std::min(until_ns, std::max(other.timers_.earliest_ns(), now_ns + k_together_ns));
            });
            return until_ns;
        };
        if (is_crowd && own_ns != Deadline::k_never_ns) {
            is_relying_.store(true, std::memory_order_seq_cst);  // I2, I3
            const std::int64_t until_ns = for_all();
            bool is_looked_after = false;
            for_each_other([&](const TimerWatch& other) { is_looked_after = is_looked_after || other.looks_for(now_ns, until_ns); });
            if (is_looked_after) return own_ns + k_grace_ns;
        }
        looks_at_ns_.store(own_ns, std::memory_order_seq_cst);  // I3
        is_relying_.store(false, std::memory_order_relaxed);
        const std::int64_t until_ns = for_all();
        looks_at_ns_.store(until_ns, std::memory_order_relaxed);
        return until_ns;
    }
    void end_sleep() {
        is_relying_.store(false, std::memory_order_relaxed);
        fired_before_ = timers_.fired();
    }

    // Timers are due that its own worker does not look at. Anybody.
    [[nodiscard]] bool needs_others(std::int64_t now_ns) const {
        const std::int64_t late_ns = now_ns - timers_.earliest_ns();
        return late_ns >= 0 && (late_ns >= k_late_ns || is_relying());
    }

private:
    [[nodiscard]] bool is_relying() const { return is_relying_.load(std::memory_order_seq_cst); }
    // For one that says that it relies: between now and `until_ns`.
    [[nodiscard]] bool looks_for(std::int64_t now_ns, std::int64_t until_ns) const {
        const std::int64_t looks_at_ns = looks_at_ns_.load(std::memory_order_seq_cst);
        return now_ns <= looks_at_ns && looks_at_ns <= until_ns && !is_relying();
    }

    Timers& timers_;
    std::atomic<std::int64_t> looks_at_ns_{0};  // when its worker looks, should nothing hold it up
    std::atomic<bool> is_relying_{false};
    std::uint32_t fired_before_ = 0;            // what timers_.fired() was when it last slept
};

}  // namespace reeve::sched
