#include "runtime/sched/worker.hpp"

#include <cerrno>

#include "runtime/os/kernel_schedule.hpp"
#include "runtime/os/thread.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/poller.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

// Every so many choices the scheduler looks at the kernel's completions and the clock even when there are runnable
// fibers: at 100 ns a switch that is every 6 us, at 10 us a request every 0.6 ms.
constexpr std::uint32_t k_poll_interval = 64;  // the global queue goes first then, so that friends cannot starve it
// While others keep a processor busy, a preempted fiber gets it again after so many quarters of a quantum; it then runs for
// one quarter.
constexpr std::int64_t k_held_quarters = 2;

[[gnu::noinline]] int* errno_location_of_thread() { return &errno; }

}  // namespace

// --- entering and leaving ---------------------------------------------------------------------------------------------

inline bool Worker::try_claim() {
    Processor* mine = processor();
    return mine && mine->word.enter(ticket_.load(std::memory_order_relaxed));
}

void Worker::enter() {
    const unsigned depth = depth_.load(std::memory_order_relaxed);
    depth_.store(depth + 1, std::memory_order_relaxed);
    if (depth != 0) return;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // I2
    if (!try_claim()) [[unlikely]]
        attach();
}

void Worker::leave() {
    const unsigned depth = depth_.load(std::memory_order_relaxed);
    if (depth == 1) {
        processor()->word.leave(ticket_.load(std::memory_order_relaxed));
        std::atomic_signal_fence(std::memory_order_seq_cst);  // I2
    }
    depth_.store(depth - 1, std::memory_order_relaxed);
}

void Worker::leave_or_yield() {
    if (depth() == 1 && processor()->is_overdue.load(std::memory_order_relaxed)) [[unlikely]] {
        processor()->counters.yields_overdue.add();
        switch_away(After::yielded).leave();
    } else {
        leave();
    }
}

bool Worker::is_detached() const {
    if (is_waiting_.load(std::memory_order_acquire)) return false;
    Processor* last = processor();
    return !last || !last->word.is_held_by(ticket_.load(std::memory_order_relaxed));
}

// The caller's processor is gone: stand in line, with the fiber, and sleep.
void Worker::attach() {
    is_waiting_.store(true, std::memory_order_relaxed);
    processor_.store(nullptr, std::memory_order_relaxed);
    current_fiber()->held_by = this;
    current_fiber()->reason = "a processor, after blocking";
    current_fiber()->phase.store(Phase::runnable, std::memory_order_relaxed);
    scheduler.returning.push(*current_fiber());
    scheduler.notify_work();
    wait_for_processor();
}

void Worker::hand_over() {
    Worker* next = successor.exchange(nullptr, std::memory_order_acq_rel);
    if (!next) return;
    if (!try_claim()) {
        // It was named for a processor this worker no longer holds; the monitor takes it back.
        successor.store(next, std::memory_order_release);
        return;
    }
    Processor& given = *processor();
    const ProcessorWord::Ticket ticket = given.word.renew();
    // From here on this worker's own ticket is void: it is detached, which the handler may now change to waiting.
    next->give(given, ticket, true);
}

void Worker::park_preempted() {
    is_waiting_.store(true, std::memory_order_relaxed);
    processor_.store(nullptr, std::memory_order_relaxed);
    current_fiber()->held_by = this;
    current_fiber()->phase.store(Phase::preempted, std::memory_order_relaxed);
    scheduler.preempted.push(*current_fiber());
    // Idle's O1, with the waking left to the monitor: a handler takes no lock.
    if (scheduler.idle.count() != 0) scheduler.monitor->poke();
    wait_for_processor();
    processor()->slice_began_ns.store(now_ns(), std::memory_order_relaxed);
    processor()->word.leave(ticket_.load(std::memory_order_relaxed));
}

void Worker::wait_for_processor() {
    do parker_.park();
    while (!processor());
    current_fiber()->held_by = nullptr;
    current_fiber()->phase.store(Phase::running, std::memory_order_relaxed);
    processor()->slices.store(processor()->slices.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    processor()->is_overdue.store(false, std::memory_order_relaxed);
}

void Worker::pin(int cpu) {
    const int id = thread_id.load(std::memory_order_relaxed);
    if (id == 0 || pinned_cpu_.exchange(cpu, std::memory_order_relaxed) == cpu) return;
    os::pin_thread(id, cpu, scheduler.cpus);
    // At home it is woken by the thread whose place it takes.
    if (scheduler.config.kernel_hints != KernelHints::none) os::set_batch(id, cpu >= 0);
}

void Worker::ask_for_slice(std::int64_t slice_ns) {
    if (scheduler.config.kernel_hints != KernelHints::none) os::ask_for_slice(thread_id.load(std::memory_order_relaxed), slice_ns);
}

void Worker::give(Processor& processor, ProcessorWord::Ticket ticket, bool at_home) {
    pin(at_home ? processor.home_cpu : -1);
    processor.worker.store(this, std::memory_order_relaxed);
    ticket_.store(ticket, std::memory_order_relaxed);
    processor_.store(&processor, std::memory_order_relaxed);
    is_waiting_.store(false, std::memory_order_release);
    parker_.wake();
}

bool Worker::give_to(Worker* spare) {
    if (!spare) return false;
    Processor& given = *processor();
    processor_.store(nullptr, std::memory_order_relaxed);
    spare->give(given, given.word.renew(), false);
    return true;
}

void Worker::detach() {
    REEVE_ASSERT(depth() == 1);
    if (!give_to(scheduler.take_spare(Scheduler::Spare::unreserved))) {
        leave();  // short of threads: it keeps the processor, and the monitor takes it when somebody waits
        return;
    }
    scheduler.monitor->note_detached(*this);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // I2
    depth_.store(0, std::memory_order_relaxed);
}

Worker& Worker::stay(After after) {
    Fiber& self = *current_fiber();
    if (after == After::yielded) {
        Worker* spare = scheduler.take_spare();
        if (!spare) return *this;
        Processor& given = *processor();
        is_waiting_.store(true, std::memory_order_relaxed);
        processor_.store(nullptr, std::memory_order_relaxed);
        self.held_by = this;
        self.phase.store(Phase::preempted, std::memory_order_relaxed);
        scheduler.preempted.push(self);
        spare->give(given, given.word.renew(), false);
        wait_for_processor();
        return *this;
    }
    processor()->counters.parks.add();
    const unsigned entry_depth = depth();
    self.held_by = this;  // published by leave(): whoever ends the wait wakes this thread
    if (!self.state.leave()) {
        if (!give_to(scheduler.take_spare())) processor()->word.leave(ticket_.load(std::memory_order_relaxed));
        depth_.store(0, std::memory_order_relaxed);
        pinned_.park();
        depth_.store(1, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);  // I2
        if (!try_claim()) attach();
        depth_.store(entry_depth, std::memory_order_relaxed);
    }
    self.held_by = nullptr;
    self.phase.store(Phase::running, std::memory_order_relaxed);
    return *this;
}

// --- switching --------------------------------------------------------------------------------------------------------

void Worker::load(Fiber& next) {
    fiber.store(&next, std::memory_order_relaxed);
    next.phase.store(Phase::running, std::memory_order_relaxed);
    *exceptions_ = next.exceptions;
    *errno_location_ = next.saved_errno;
    Processor& mine = *processor();
    mine.slices.store(mine.slices.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    mine.slice_began_ns.store(0, std::memory_order_relaxed);
    mine.is_overdue.store(false, std::memory_order_relaxed);
    mine.counters.switches.add();
}

Worker& Worker::switch_away(After after) {
    Processor& mine = *processor();
    Fiber& self = *current_fiber();
    if (self.pins != 0) [[unlikely]] return stay(after);
    const unsigned entry_depth = depth();
    self.exceptions = *exceptions_;
    self.saved_errno = *errno_location_;
    left_ = &self;
    after_ = after;

    Fiber* next = nullptr;
    if (++mine.picks % k_poll_interval != 0 && !scheduler.is_short_of_threads()) next = mine.queue.pop();
    context::Side* to = &scheduler_side_;
    if (next) {
        load(*next);
        to = &next->side;
    } else {
        fiber.store(nullptr, std::memory_order_relaxed);
    }
    // `this` may be another's from here on.
    auto* arrived = static_cast<Worker*>(context::jump(self.side, *to, this, after == After::ended));
    arrived->arrive();
    arrived->depth_.store(entry_depth, std::memory_order_relaxed);
    return *arrived;
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
            if (!mine.queue.push(*left)) scheduler.global.push(*left);
            break;
        case After::parked:
            mine.counters.parks.add();
            if (left->state.leave()) scheduler.make_runnable(*left);
            break;
        case After::ended: scheduler.recycle(mine, *left); break;
        case After::nothing: break;
    }
}

void Worker::run(Fiber& next) {
    load(next);
    context::jump(scheduler_side_, next.side, this);
    arrive();
    depth_.store(1, std::memory_order_relaxed);
}

// --- the scheduler's loop ---------------------------------------------------------------------------------------------

void Worker::main() {
    set_current_worker(this);
    thread_id.store(os::thread_id(), std::memory_order_relaxed);
    os::install_alternate_stack();
    ask_for_slice(k_worker_slice_ns);
    context::adopt_thread(scheduler_side_);
    exceptions_ = context::exception_state_of_thread();
    errno_location_ = errno_location_of_thread();
    for (;;) {
        parker_.park();
        if (processor()) {
            processor()->computed_ns = now_ns();  // it comes from a fiber whose slice was over
            schedule();
            // Only now, with the processor given away: nobody gives one to a worker that is not in the list.
            if (!scheduler.is_stopping()) scheduler.put_spare(*this);
        }
        if (scheduler.is_stopping()) break;
    }
    set_current_worker(nullptr);
    has_ended.store(true, std::memory_order_release);
}

void Worker::schedule() {
    while (Fiber* next = find_work()) {
        if (!next->held_by) {
            run(*next);
            continue;
        }
        Processor& given = *processor();
        Worker& other = *next->held_by;
        given.counters.turns_given.add();
        is_waiting_.store(true, std::memory_order_relaxed);
        processor_.store(nullptr, std::memory_order_relaxed);
        other.give(given, given.word.renew(), true);
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
        sleep(mine);
    }
    return nullptr;
}

Fiber* Worker::find_now(Processor& mine) {
    ++mine.picks;
    const bool polled = mine.picks % k_poll_interval < 2;  // switch_away() counted to the interval, this call to the next
    if (polled) {
        poll(mine);
        if (Fiber* found = scheduler.pop_global()) return found;
    }
    if (Fiber* found = scheduler.returning.pop()) return found;
    if (mine.now_ns - mine.computed_ns >= k_held_quarters * scheduler.config.quantum.count() / 4)
        if (Fiber* found = scheduler.preempted.pop()) return found;
    if (Fiber* found = pop_local(mine)) return found;
    if (!polled) {
        poll(mine);
        if (Fiber* found = pop_local(mine)) return found;
    }
    if (Fiber* found = scheduler.pop_global()) return found;
    if (Fiber* found = scheduler.preempted.pop()) return found;
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

void Worker::sleep(Processor& mine) {
    if (is_searching_) {
        is_searching_ = false;
        scheduler.idle.end_search();
    }
    scheduler.idle.add(mine);
    // Idle's O1 (d): what was published before add() could be seen is seen here.
    bool found = !scheduler.global.is_empty() || scheduler.has_backlog_to_start() || !scheduler.returning.is_empty() || !scheduler.preempted.is_empty() ||
                 mine.has_cancels.load(std::memory_order_seq_cst) || scheduler.is_stopping();
    for (auto& other : scheduler.processors) found = found || !other->queue.is_empty();
    if (!found) {
        pin(-1);  // nobody computes any more
        mine.is_idle.store(true, std::memory_order_seq_cst);
        mine.counters.sleeps.add();
        if (mine.ring.has_unsubmitted()) mine.counters.submits.add();
        // Pairs with request_cancel(), which sees is_idle or is seen here; otherwise a cancellation waits for this
        // processor's next completion.
        if (!mine.has_cancels.load(std::memory_order_seq_cst)) mine.ring.wait(mine.timers.earliest_ns());
        mine.is_idle.store(false, std::memory_order_relaxed);
        mine.now_ns = now_ns();  // sleeping is no slice
        mine.slices_at_look = mine.slices.load(std::memory_order_relaxed);
        scheduler.monitor->wake_if_asleep();
    }
    // Whoever took it off the list has counted it as a searcher.
    is_searching_ = !scheduler.idle.remove(mine);
    if (is_searching_) mine.counters.wakes.add();
}

void Worker::poll(Processor& mine) {
    constexpr unsigned k_batch = 64;
    is_polling_ = true;
    look_at_clock(mine);
    if (mine.has_cancels.load(std::memory_order_acquire)) cancel_pending(mine);
    if (mine.ring.has_unsubmitted()) {
        mine.counters.submits.add();
        mine.ring.submit();
    }
    os::Completion completions[k_batch];
    unsigned drained;
    do {
        drained = mine.ring.drain(completions, k_batch);
        mine.counters.completions.add(drained);
        for (unsigned i = 0; i < drained; ++i) complete(completions[i]);
    } while (drained == k_batch);
    Parkable* due[k_batch];
    bool more = true;
    while (more) {
        const std::size_t fired = mine.timers.fire(mine.now_ns, due, k_batch, more);
        mine.counters.timers_fired.add(fired);
        for (std::size_t i = 0; i < fired; ++i)
            if (due[i]->state.ready()) scheduler.make_runnable(static_cast<Fiber&>(*due[i]));
    }
    is_polling_ = false;
    if (mine.queue.size() > 1 && mine.has_work_to_share()) scheduler.notify_work();
}

void Worker::look_at_clock(Processor& mine) {
    const std::int64_t now = now_ns();
    const std::uint32_t slices = mine.slices.load(std::memory_order_relaxed);
    if (const std::uint32_t count = slices - mine.slices_at_look; count != 0 && mine.now_ns != 0)
        mine.mean_slice_ns += ((now - mine.now_ns) / count - mine.mean_slice_ns) / 4;
    mine.slices_at_look = slices;
    mine.now_ns = now;
}

}  // namespace reeve::sched
