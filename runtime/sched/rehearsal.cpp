#include "runtime/sched/rehearsal.hpp"

#include <algorithm>
#include <utility>

#include "runtime/base/virtual_clock.hpp"
#include "runtime/config.hpp"
#include "runtime/os/held_locks.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {

Config Rehearsal::as_possible(Config config) {
    if (is_wanted(config)) {
        config.workers = 1;
        config.preemption = false;
    }
    return config;
}

bool Rehearsal::is_wanted(const Config& config) { return config.clock == Clock::virtual_time || config.seed != 0; }

Rehearsal::Rehearsal(const Config& config)
    : has_clock_(config.clock == Clock::virtual_time), is_seeded_(config.seed != 0), random_(config.seed) {
    if (has_clock_) VirtualClock::set(VirtualClock::k_start_ns);
    if (!is_seeded_) return;
    begin(config.seed, {.steps_max = ~std::uint64_t{0}});
    s_at_point.store(at_point, std::memory_order_relaxed);
}

void Rehearsal::turn_off() {
    s_at_point.store(nullptr, std::memory_order_relaxed);
    VirtualClock::turn_off();
}

void Rehearsal::begin(std::uint64_t seed, const Rules& rules) {
    random_ = Random(seed);
    rules_ = rules;
    constexpr Order k_orders[] = {Order::any, Order::any, Order::newest_first, Order::oldest_first};
    order_ = k_orders[random_.below(4)];
    const std::uint64_t rarity = random_.below(7);
    interrupt_one_in_ = rarity == 0 ? 0 : std::uint64_t{1} << rarity;
    slip_one_in_ = rules.lets_time_slip ? std::uint64_t{4} << 2 * random_.below(4) : 0;
    steps_ = 0;
    interrupts_ = 0;
    trace_ = 0;
    last_id_ = 0;
    end_ = End::quiet;
    if (has_clock_) VirtualClock::set(VirtualClock::k_start_ns);
}

Rehearsal::End Rehearsal::until_quiet() {
    Entry entry;
    Wait wait("the end of a schedule", Cancellable::no);
    conductor_ = &*wait;
    (void)wait.park(Deadline::never());
    return end_;
}

bool Rehearsal::wake_conductor(End end) {
    Waiter* waiter = std::exchange(conductor_, nullptr);
    if (!waiter) return false;
    end_ = end;
    if (waiter->claim(Outcome::ready)) waiter->ready();
    return true;
}

// --- time -------------------------------------------------------------------------------------------------------------

std::int64_t Rehearsal::fire_time_ns(const Processor& processor) {
    if (!has_clock_) return processor.now_ns;
    if (slip_one_in_ != 0 && processor.timers.earliest_ns() != Deadline::k_never_ns && random_.one_in(slip_one_in_))
        VirtualClock::set(std::max(now_ns(), processor.timers.earliest_ns()));
    return now_ns();
}

bool Rehearsal::pass_time(Scheduler& scheduler, Processor& processor) {
    if (processor.io.has_in_flight() || processor.io.has_completions() || processor.has_cancels.load(std::memory_order_relaxed))
        return false;
    const std::int64_t next_ns = processor.timers.earliest_ns();
    if (next_ns == Deadline::k_never_ns) return scheduler.global.is_empty() && wake_conductor(End::quiet);
    if (!has_clock_) return false;
    VirtualClock::set(std::max(now_ns(), next_ns));
    return true;
}

void Rehearsal::wait(Processor& processor) {
    const std::int64_t next_ns = processor.timers.earliest_ns();
    const std::int64_t until_ns = VirtualClock::monotonic_ns_at(next_ns);
    processor.io.wait(until_ns);
    if (!VirtualClock::is_on() || processor.io.has_completions() || monotonic_ns() < until_ns) return;
    VirtualClock::set(std::max(now_ns(), next_ns));
}

// --- order ------------------------------------------------------------------------------------------------------------

Fiber* Rehearsal::pick(GlobalQueue& runnable) {
    if (runnable.is_empty()) return nullptr;
    if (!is_seeded_) return runnable.pop();
    std::size_t count = runnable.size();
    std::size_t index = 0;
    if (++steps_ >= rules_.steps_max && wake_conductor(End::endless)) {
        index = count;  // it has just come
    } else {
        // Who has just given up goes behind at least one other.
        if (count > 1 && runnable.newest_id() == last_id_) --count;
        index = choose(count);
    }
    trace_ = Random::mix(trace_ ^ (count << 32 | index));
    Fiber* found = runnable.pop_at(index);
    if (found) last_id_ = found->id;
    return found;
}

std::size_t Rehearsal::choose(std::size_t count) {
    if (count == 1) return 0;
    // Now and then any, or two that only wake each other would go on for ever.
    if (order_ == Order::any || random_.one_in(16)) return random_.below(count);
    return order_ == Order::newest_first ? count - 1 : 0;
}

void Rehearsal::at_point(Place place) {
    Worker* worker = current_worker();
    if (!worker || !worker->current_fiber() || !worker->scheduler.rehearsal) return;
    worker->scheduler.rehearsal->at_point(*worker, *worker->current_fiber(), place);
}

void Rehearsal::at_point(Worker& worker, const Fiber& self, Place place) {
    const unsigned depth = worker.depth();
    switch (place) {
        case Place::locked: ++locks_; return;
        case Place::unlocked: --locks_; return;
        case Place::outside:
            if (depth != 0) return;
            break;
        case Place::inside:
            if (depth > 1) return;  // in NoPreempt, maybe
            break;
        case Place::stuck:
        case Place::at_lock: break;
    }
    if (locks_ != 0 || self.pins != 0 || os::held_locks() != 0) return;
    if (worker.scheduler.global.is_empty()) return;
    if (place != Place::stuck && (interrupt_one_in_ == 0 || !random_.one_in(interrupt_one_in_))) return;
    ++interrupts_;
    if (depth == 0)
        worker.yield();
    else
        worker.switch_away(After::yielded);
}

}  // namespace reeve::sched
