#include "runtime/sched/timers.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/sched/fetch.hpp"

namespace reeve::sched {
namespace {

constexpr std::size_t k_few = 64;  // are as well in a heap

}  // namespace

// After one was taken out, perhaps the first: I3.
void Timers::settle() {
    while (!wheel_.is_empty() && first_ns() >= wheel_.begins_ns()) {
        REEVE_ASSERT(run_.is_empty());
        wheel_.take_slot([this](const Timer& timer) {
            if (!run_.add(timer)) heap_.push(timer);
        });
        run_.sort();
    }
    earliest_ns_.store(first_ns(), std::memory_order_relaxed);
}

Timer Timers::take_first() {
    const Timer first = run_.earliest_ns() <= heap_.earliest_ns() ? run_.pop() : heap_.pop();
    settle();
    return first;
}

void Timers::arm(Parkable& who, FiberState::Epoch epoch, std::int64_t when_ns) {
    const Timer timer{when_ns, &who, epoch};
    SpinGuard guard(lock_);
    if (heap_.size() >= k_few || !wheel_.is_empty()) {
        // A slot is opened when the run is at its end: so not before the run's, though overdue ones may be in the heap.
        if (wheel_.is_empty()) wheel_.begin_behind(run_.is_empty() ? heap_.earliest_ns() : run_.earliest_ns());
        if (wheel_.put(timer)) return;
    }
    heap_.push(timer);
    earliest_ns_.store(first_ns(), std::memory_order_relaxed);
}

void Timers::disarm(Parkable& who) {
    if (who.timer_place.load(std::memory_order_acquire) == k_no_timer) return;
    SpinGuard guard(lock_);
    const TimerPlace place = who.timer_place.load(std::memory_order_relaxed);
    if (place == k_no_timer) return;
    if (TimerWheel::is_place(place)) {
        wheel_.remove(place);
    } else {
        TimerRun::is_place(place) ? run_.remove(place) : heap_.remove(place);
        settle();
    }
    who.timer_place.store(k_no_timer, std::memory_order_relaxed);
}

std::size_t Timers::fire(std::int64_t now_ns, Parkable** into, std::size_t room, bool& more) {
    more = false;
    if (earliest_ns() > now_ns) return 0;
    SpinGuard guard(lock_);
    Timer due[k_batch];
    std::size_t taken = 0;
    while (taken < std::min(room, k_batch) && first_ns() <= now_ns) {
        due[taken] = take_first();
        fetch(*due[taken++].who);
    }
    more = earliest_ns() <= now_ns;
    fired_.store(fired() + static_cast<std::uint32_t>(taken), std::memory_order_relaxed);
    std::size_t count = 0;
    for (std::size_t i = 0; i < taken; ++i) {
        Parkable* who = due[i].who;
        // The wait cannot end before disarm() saw the place, so this is still the wait that the timer was armed for.
        if (who->state.claim(due[i].epoch, Outcome::timed_out)) into[count++] = who;
        who->timer_place.store(k_no_timer, std::memory_order_release);  // I2
    }
    return count;
}

}  // namespace reeve::sched
