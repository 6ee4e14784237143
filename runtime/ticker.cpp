#include "runtime/ticker.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve {

Channel<Tick>::Channel(std::int64_t first_ns, std::int64_t period_ns) : core_(std::make_shared<Core>()) {
    core_->next_ns = first_ns;
    core_->period_ns = period_ns;
}

sched::Step Channel<Tick>::Core::fetch(std::optional<Tick>& into) {
    if (is_closed || next_ns == Deadline::k_never_ns) return {};
    const std::int64_t now = now_ns();
    if (now < next_ns) return {};
    into = Tick{std::chrono::steady_clock::time_point(Duration(next_ns)), number};
    if (period_ns == 0) {
        next_ns = Deadline::k_never_ns;
    } else {
        const std::int64_t passed = (now - next_ns) / period_ns + 1;
        next_ns += passed * period_ns;
        number += static_cast<std::uint64_t>(passed);
    }
    return {sched::Outcome::ready};
}

Result<Tick> Channel<Tick>::recv(Deadline deadline) const {
    sched::Entry entry;
    Core& core = *core_;
    deadline = deadline.or_sooner(this_fiber::deadline());  // else that one would be taken for a tick that is due
    for (;;) {
        std::optional<Tick> tick;
        core.lock.lock();
        const sched::Step step = core.fetch(tick);
        if (step.outcome == sched::Outcome::ready || core.is_closed) {
            core.lock.unlock();
            if (tick) return *tick;
            return Error(Errc::closed, "tick recv");
        }
        sched::Wait wait("tick");
        core.receivers.push(*wait);
        const Deadline due = core.due();
        core.lock.unlock();
        const sched::Outcome outcome = wait.park(deadline.or_sooner(due));
        const Error error = core.give_up(*wait, core.receivers, outcome, "tick recv");
        if (outcome == sched::Outcome::timed_out && !deadline.has_passed()) continue;
        // Both at once: the tick, if there still is one.
        if (outcome == sched::Outcome::timed_out)
            if (const auto last = try_recv()) return *last;
        return error;
    }
}

std::optional<Tick> Channel<Tick>::try_recv() const {
    sched::Entry entry;
    std::optional<Tick> tick;
    SpinGuard guard(core_->lock);
    (void)core_->fetch(tick);
    return tick;
}

void Channel<Tick>::close() const { Core::close(core_); }

Channel<Tick> after(Deadline instant) { return {instant.ns(), 0}; }

Ticker::Ticker(Duration period) : Channel<Tick>(Deadline::in(period).ns(), period.count()) {
    if (period.count() <= 0) fatal("Ticker: a period of %lld ns", static_cast<long long>(period.count()));
}

}  // namespace reeve
