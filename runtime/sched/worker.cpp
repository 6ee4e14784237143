#include "runtime/sched/worker.hpp"

#include <cerrno>
#include <utility>

#include "runtime/base/point.hpp"
#include "runtime/os/held_locks.hpp"
#include "runtime/os/kernel_schedule.hpp"
#include "runtime/os/thread.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fetch.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/fork.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/poller.hpp"
#include "runtime/sched/preempt.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {
namespace {

// Every so many choices the scheduler looks at the kernel's completions and the clock even when there are runnable
// fibers: at 100 ns a switch that is every 6 us, at 10 us a request every 0.6 ms.
constexpr std::uint32_t k_poll_interval = 64;  // the global queue goes first then, so that friends cannot starve it
// While newer ones come faster than they can be begun, the oldest new fiber of an overflow is begun this often. More would take
// from LocalQueue what it is for: trees of fibers would be begun faster than they end.
constexpr std::int64_t k_begin_oldest_ns = 1'000'000;
// While others keep a processor busy, a preempted fiber gets it again after so many quarters of a quantum; it then runs for
// one quarter.
constexpr std::int64_t k_held_quarters = 2;

[[gnu::noinline]] int* errno_location_of_thread() { return &errno; }

}  // namespace

// --- entering and leaving ---------------------------------------------------------------------------------------------

void WorkerEntry::await_another() { static_cast<Worker*>(this)->attach(); }

void WorkerEntry::leave_overdue() {
    auto& self = static_cast<Worker&>(*this);
    // A fiber that holds a lock of the OS did not ask to wait here: it goes on, as it would when asked by signal.
    if (os::held_locks() != 0) return leave();
    self.processor()->counters.yields_overdue.add();
    self.scheduler.ledger.yielded(self.processor()->overdue_slice_ns());
    self.switch_away(After::yielded).leave();
}

bool Worker::is_detached() const {
    if (is_waiting_.load(std::memory_order_acquire)) return false;
    Processor* last = processor();
    return !last || !last->word.is_held_by(claim_);
}

// The caller's processor is gone: stand in line, with the fiber, and sleep.
void Worker::attach() {
    die_if_forked();
    detachment.end(scheduler.ledger);
    ask_for_slice(k_worker_slice_ns);
    current_fiber()->reason = "a processor, after blocking";
    current_fiber()->phase.store(Phase::runnable, std::memory_order_relaxed);
    do {
        stand_in_line(scheduler.returning);
        scheduler.notify_work();
    } while (!await_processor());
}

void Worker::hand_over(std::uintptr_t code, Wake wake) {
    Worker* next = successor.exchange(nullptr, std::memory_order_acq_rel);
    if (!next) return;
    if (!try_claim()) {
        // It was named for a processor this worker no longer holds.
        if (Fiber* held = next->current_fiber()) {
            scheduler.preempted.push(*held);
            scheduler.monitor->poke();
        } else {
            successor.store(next, std::memory_order_release);  // the monitor dismisses it when it asks next, or forgets the slice
        }
        return;
    }
    Processor& given = *processor();
    const std::int64_t slice_ns = given.overdue_slice_ns();
    detachment.clear();
    // From here on this worker is detached, which the handler may now change to waiting.
    next->give(given, &claim_, wake);
    scheduler.ledger.handed_over(code, slice_ns);
}

bool Worker::ask_again() {
    constexpr std::int64_t k_pause_ns = 15'000;
    constexpr unsigned k_times = 3 * k_patience_ns / 4 / k_pause_ns;
    return times_asked_++ < k_times && again_.arm(k_pause_ns);
}

void Worker::end_signal() {
    times_asked_ = 0;
    is_signal_pending.store(false, std::memory_order_release);
}

void Worker::park_preempted() {
    const std::int64_t parked_ns = monotonic_ns();
    detachment.end(scheduler.ledger);
    current_fiber()->since_ns = parked_ns;
    current_fiber()->phase.store(Phase::preempted, std::memory_order_relaxed);
    do {
        stand_in_line(scheduler.preempted);
        // Idle's O1, with the waking left to the monitor: a handler takes no lock.
        if (scheduler.idle.count() != 0) scheduler.monitor->poke();
    } while (!await_processor());
    ask_for_slice(k_computing_slice_ns);
    const std::int64_t now = monotonic_ns();
    scheduler.ledger.parked(current_fiber()->its_head().interrupted_at[0], now - parked_ns);
    processor()->slice_began_ns.store(now, std::memory_order_relaxed);
    signalled_ns.store(now, std::memory_order_relaxed);  // answered long ago, and not at an end yet
    processor()->word.leave(claim_);
}

void Worker::stand_in_line(HeldQueue& queue) {
    is_waiting_.store(true, std::memory_order_relaxed);
    processor_.store(nullptr, std::memory_order_relaxed);
    current_fiber()->held_by.store(this, std::memory_order_relaxed);
    queue.push(*current_fiber());
}

bool Worker::await_processor() {
    do parker_.park();
    while (!processor());
    unsettle();
    if (!try_claim()) return false;
    current_fiber()->held_by.store(nullptr, std::memory_order_relaxed);
    current_fiber()->phase.store(Phase::running, std::memory_order_relaxed);
    Processor& mine = *processor();
    mine.is_given.store(false, std::memory_order_relaxed);
    mine.slices.store(mine.slices.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    mine.is_overdue.store(false, std::memory_order_relaxed);
    return true;
}

void Worker::settle(int home_cpu, Wake wake) {
    const int id = thread_id.load(std::memory_order_relaxed);
    if (id == 0 || home_cpu < 0 || wake == Wake::anywhere) return;
    is_pinned_ = is_pinned_ || os::pin_thread(id, home_cpu, scheduler.cpus);
    is_batch_ = wake == Wake::in_my_place && scheduler.config.kernel_hints != KernelHints::none;
    if (is_batch_) os::set_batch(id, true);
}

void Worker::unsettle() {
    const int id = thread_id.load(std::memory_order_relaxed);
    if (std::exchange(is_pinned_, false)) os::unpin_thread(id, scheduler.cpus);
    if (std::exchange(is_batch_, false)) os::set_batch(id, false);
}

void Worker::ask_for_slice(std::int64_t slice_ns) {
    if (scheduler.config.kernel_hints == KernelHints::none) return;
    if (slice_ns_.exchange(slice_ns, std::memory_order_relaxed) != slice_ns)
        os::ask_for_slice(thread_id.load(std::memory_order_relaxed), slice_ns);
}

void Worker::give(Processor& processor, Claim* giver, Wake wake) {
    settle(processor.home_cpu, wake);
    processor.worker.store(this, std::memory_order_relaxed);
    processor_.store(&processor, std::memory_order_relaxed);
    is_waiting_.store(false, std::memory_order_release);
    processor.is_given.store(true, std::memory_order_relaxed);
    processor.word.give(giver, claim_);
    parker_.wake();
}

bool Worker::give_to(Worker* spare) {
    if (!spare) return false;
    detachment.clear();
    Processor& given = *processor();
    processor_.store(nullptr, std::memory_order_relaxed);
    spare->give(given, &claim_, Wake::anywhere);
    return true;
}

void Worker::detach() {
    REEVE_ASSERT(depth() == 1);
    if (scheduler.rehearsal || !give_to(scheduler.take_spare(Scheduler::Spare::unreserved))) {
        leave();  // short of threads: it keeps the processor, and the monitor takes it when somebody waits
        return;
    }
    scheduler.monitor->note_detached(*this);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // Entry's I1
    depth_.store(0, std::memory_order_relaxed);
}

// --- switching --------------------------------------------------------------------------------------------------------

void Worker::load(Fiber& next) {
    Processor& mine = *processor();
    mine.fetch_ahead.look(mine.queue);
    if (!next.has_begun) scheduler.begin(mine, next);
    fiber.store(&next, std::memory_order_relaxed);
    next.phase.store(Phase::running, std::memory_order_relaxed);
    if (next.has_exceptions) [[unlikely]]
        *exceptions_ = next.its_head().exceptions;
    *errno_location_ = next.saved_errno;
    mine.begin_slice();
    mine.counters.switches.add();
}

// All but the switch itself, apart from it: what a function keeps in registers over a call lies on the stack that is left.
[[gnu::noinline]] context::Side& Worker::turn_from(Fiber& self, After after) {
    Processor& mine = *processor();
    // Between fibers the thread has none.
    self.has_exceptions = exceptions_->caught != nullptr || exceptions_->uncaught != 0;
    if (self.has_exceptions) [[unlikely]]
        self.its_head().exceptions = std::exchange(*exceptions_, {});
    self.saved_errno = *errno_location_;
    left_ = &self;
    after_ = after;

    Fiber* next = nullptr;
    if (++mine.picks % k_poll_interval != 0 && !scheduler.is_short_of_threads()) next = mine.queue.pop();
    if (next) {
        load(*next);
        return next->side;
    }
    fiber.store(nullptr, std::memory_order_relaxed);
    return scheduler_side_;
}

Worker& Worker::switch_away(After after) {
    Fiber& self = *current_fiber();
    if ((self.pins | os::held_locks()) != 0) [[unlikely]] {
        if (keeps_thread(after)) return stay(after);
    }
    const unsigned entry_depth = depth();
    context::Side& next = turn_from(self, after);
    // `this` may be another's once it returns.
    auto& arrived = static_cast<Worker&>(context::jump(left_->side, next, *this, after_ == After::ended));
    arrived.arrive();
    arrived.depth_.store(entry_depth, std::memory_order_relaxed);
    return arrived;
}

void Worker::yield() {
    enter();
    switch_away(After::yielded).leave();
}

void Worker::arrive() {
    Fiber* left = left_;
    if (!left) return;
    left_ = nullptr;
    Processor& mine = *processor();
    switch (after_) {
        case After::yielded:  // to the end, waking nobody: this worker gets to it
            left->phase.store(Phase::runnable, std::memory_order_release);
            mine.queue.push(*left);
            break;
        case After::parked: {
            mine.counters.parks.add();
            const bool is_for_fibers = left->blocker.load(std::memory_order_relaxed).kind() != Blocker::nobody;
            if (left->state.leave()) scheduler.make_runnable(*left);
            if (is_for_fibers) mine.counters.parks_for_fibers.add();  // now, when it can be seen parked
            break;
        }
        case After::ended: scheduler.recycle(mine, *left); break;
        case After::nothing: break;
    }
}

void Worker::run(Fiber& next) {
    load(next);
    context::jump(scheduler_side_, next.side, *this);
    arrive();
    depth_.store(1, std::memory_order_relaxed);
}

// --- the scheduler's loop ---------------------------------------------------------------------------------------------

void Worker::main() {
    set_current_worker(this);
    thread_id.store(os::thread_id(), std::memory_order_relaxed);
    os::install_alternate_stack();
    ask_for_slice(k_worker_slice_ns);
    os::set_nice_value(scheduler.nice);
    again_.create(preempt_signal(scheduler.config), this);
    context::adopt_thread(scheduler_side_);
    exceptions_ = context::exception_state_of_thread();
    errno_location_ = errno_location_of_thread();
    for (;;) {
        parker_.park();
        if (processor()) {
            unsettle();
            if (try_claim()) {
                processor()->is_given.store(false, std::memory_order_relaxed);
                processor()->computed_ns = monotonic_ns();  // it comes from a fiber whose slice was over
                schedule();
            } else {
                is_waiting_.store(true, std::memory_order_relaxed);
                processor_.store(nullptr, std::memory_order_relaxed);
            }
            // Only now, with the processor given away: nobody gives one to a worker that is not in the list.
            ask_for_slice(k_worker_slice_ns);
            if (!scheduler.is_stopping()) scheduler.put_spare(*this);
        }
        if (scheduler.is_stopping()) break;
    }
    set_current_worker(nullptr);
    has_ended.store(true, std::memory_order_release);
}

void Worker::schedule() {
    while (Fiber* next = find_work()) {
        Worker* other = next->held_by.load(std::memory_order_relaxed);
        if (!other) {
            run(*next);
            continue;
        }
        Processor& given = *processor();
        given.counters.turns_given.add();
        is_waiting_.store(true, std::memory_order_relaxed);
        processor_.store(nullptr, std::memory_order_relaxed);
        other->give(given, &claim_, Wake::in_my_place);
        return;
    }
}

Fiber* Worker::find_work() {
    Processor& mine = *processor();
    while (!scheduler.is_stopping()) {
        if (Fiber* found = find_now(mine)) {
            if (is_searching_) {
                is_searching_ = false;
                if (scheduler.idle.end_search()) scheduler.notify_work();
            }
            return found;
        }
        if (scheduler.rehearsal && scheduler.rehearsal->pass_time(scheduler, mine)) continue;
        sleep(mine);
    }
    return nullptr;
}

Fiber* Worker::find_now(Processor& mine) {
    ++mine.picks;
    const bool polled = mine.picks % k_poll_interval < 2;  // switch_away() counted to the interval, this call to the next
    if (polled) {
        poll(mine);
        if (mine.now_ns - mine.began_oldest_ns >= k_begin_oldest_ns) {
            mine.began_oldest_ns = mine.now_ns;
            if (Fiber* oldest = mine.queue.pop_oldest(); oldest && !scheduler.postpones(*oldest)) return oldest;
        }
        if (Fiber* found = scheduler.pop_global()) return found;
    }
    if (Fiber* found = scheduler.returning.pop()) return found;
    if (mine.now_ns - mine.computed_ns >= k_held_quarters * scheduler.config.quantum.count() / 4)
        if (Fiber* found = scheduler.pop_preempted()) return found;
    if (Fiber* found = pop_local(mine)) return found;
    if (!polled) {
        poll(mine);
        if (Fiber* found = pop_local(mine)) return found;
    }
    if (Fiber* found = scheduler.pop_global()) return found;
    if (Fiber* found = scheduler.pop_preempted()) return found;
    if (!is_searching_) {
        // At most half of the busy processors search: more only fight for the same few queues.
        const int busy = static_cast<int>(scheduler.processors.size()) - scheduler.idle.count();
        if (2 * scheduler.idle.searching() >= busy) return nullptr;
        is_searching_ = true;
        scheduler.idle.begin_search();
    }
    return steal(mine);
}

Fiber* Worker::pop_local(Processor& mine) {
    Fiber* found = mine.queue.pop();
    while (found && scheduler.postpones(*found)) found = mine.queue.pop();
    return found;
}

Fiber* Worker::steal(Processor& mine) {
    const std::size_t count = scheduler.processors.size();
    for (std::size_t i = 1; i < count; ++i) {
        Processor& victim = *scheduler.processors[(mine.number + mine.picks + i) % count];
        if (&victim == &mine) continue;
        if (const std::uint32_t stolen = victim.queue.steal_into(mine.queue)) {
            mine.counters.steals.add(stolen);
            return pop_local(mine);
        }
    }
    return nullptr;
}

bool Worker::sleep(Processor& mine) {
    if (is_searching_) {
        is_searching_ = false;
        scheduler.idle.end_search();
    }
    scheduler.idle.add(mine);
    // Idle's O1 (d): what was published before add() could be seen is seen here.
    bool found = !scheduler.global.is_empty() || scheduler.has_backlog_to_start() || !scheduler.returning.is_empty() ||
                 scheduler.has_preempted();
    for (auto& other : scheduler.processors) found = found || !other->queue.is_empty();
    // One that minds the processor has to give it away for work: not for what another, who searches, will find.
    if (minded_.load(std::memory_order_relaxed) && mine.queue.is_empty() && scheduler.idle.searching() != 0) found = false;
    found = found || mine.has_cancels.load(std::memory_order_seq_cst) || scheduler.is_stopping();
    if (!found) {
        ask_for_slice(k_worker_slice_ns);
        mine.is_idle.store(true, std::memory_order_seq_cst);
        mine.counters.sleeps.add();
        if (mine.io.has_unsubmitted()) mine.counters.submits.add();
        const std::int64_t until_ns = mine.timer_watch.begin_sleep(mine.now_ns, [&](auto visit) {
            for (auto& other : scheduler.processors)
                if (other.get() != &mine) visit(other->timer_watch);
        });
        // Pairs with request_cancel(), which sees is_idle or is seen here; otherwise a cancellation waits for this
        // processor's next completion.
        if (!mine.has_cancels.load(std::memory_order_seq_cst)) scheduler.rehearsal ? Rehearsal::wait(mine) : mine.io.wait(until_ns);
        mine.timer_watch.end_sleep();
        mine.is_idle.store(false, std::memory_order_relaxed);
        mine.now_ns = monotonic_ns();  // sleeping is no slice
        mine.computed_ns = mine.now_ns;  // and kept nobody waiting who computes
        mine.slices_at_look = mine.slices.load(std::memory_order_relaxed);
        scheduler.monitor->wake_if_asleep();
    }
    if (!scheduler.idle.remove(mine)) {
        // Whoever took it off the list has counted it as a searcher.
        is_searching_ = true;
        mine.counters.wakes.add();
    } else if (found) {
        // Whoever published that may have relied on it, as it searched then: there may be more than one worker can do.
        is_searching_ = true;
        scheduler.idle.begin_search();
    }
    return !found;
}

void Worker::poll(Processor& mine) {
    constexpr unsigned k_batch = 64;
    is_polling_ = true;
    look_at_clock(mine);
    if (mine.has_cancels.load(std::memory_order_acquire)) cancel_pending(mine);
    if (mine.io.has_unsubmitted()) {
        mine.counters.submits.add();
        mine.io.submit();
    }
    os::Completion completions[k_batch];
    unsigned drained;
    do {
        drained = mine.io.drain(completions, k_batch);
        mine.counters.completions.add(drained);
        for (unsigned i = 0; i < drained; ++i) complete(completions[i]);
    } while (drained == k_batch);
    const std::int64_t fire_ns = scheduler.rehearsal ? scheduler.rehearsal->fire_time_ns(mine) : mine.now_ns;
    fire(mine, mine.timers, fire_ns);
    for (auto& other : scheduler.processors)
        if (other->timer_watch.needs_others(fire_ns)) fire(mine, other->timers, fire_ns);
    mine.timer_watch.note_look(mine.now_ns);
    is_polling_ = false;
    if (mine.queue.size() > 1 && mine.has_work_to_share()) scheduler.notify_work();
}

void Worker::fire(Processor& mine, Timers& timers, std::int64_t now_ns) {
    constexpr std::size_t k_batch = 64;
    Parkable* due[k_batch];
    bool more = true;
    while (more) {
        const std::size_t fired = timers.fire(now_ns, due, k_batch, more);
        mine.counters.timers_fired.add(fired);
        for (std::size_t i = 0; i < fired; ++i)
            if (due[i]->state.ready()) scheduler.make_runnable(static_cast<Fiber&>(*due[i]));
    }
}

void Worker::look_at_clock(Processor& mine) {
    const std::int64_t now = monotonic_ns();
    const std::uint32_t slices = mine.slices.load(std::memory_order_relaxed);
    if (const std::uint32_t count = slices - mine.slices_at_look; count != 0 && mine.now_ns != 0)
        mine.mean_slice_ns += ((now - mine.now_ns) / count - mine.mean_slice_ns) / 4;
    mine.slices_at_look = slices;
    mine.now_ns = now;
}

}  // namespace reeve::sched
