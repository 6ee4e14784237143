#include "runtime/sched/monitor.hpp"

#include <algorithm>
#include <utility>

#include "runtime/base/allowance.hpp"
#include "runtime/os/kernel_schedule.hpp"
#include "runtime/os/thread.hpp"
#include "runtime/sched/code_map.hpp"
#include "runtime/sched/preempt.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

constexpr std::int64_t k_turn_quanta = 5;              // of fibers that compute and keep nobody else waiting: turns cost 40 us
constexpr std::int64_t k_least_turn_ns = 500'000;      // the same while others have work: not less, at a short quantum
constexpr std::int64_t k_least_slice_ns = 100'000;     // shorter ones would be spent on turns
constexpr int k_quiet_quanta = 10;                     // then it sleeps: waking it costs more than a few looks
constexpr std::int64_t k_trim_period_ns = 1'000'000'000;
constexpr int k_most_parts = 6;                        // it uses one part of so many of a CPU where these are short (Detached::parts)
constexpr std::int64_t k_busy_ns = 20'000;             // CPU time between two looks that tells computing from sleeping
constexpr std::int64_t k_refresh_pause_ns = 100'000'000;  // some 50 us each
constexpr std::int64_t k_least_pause_ns = 50'000;
constexpr std::int64_t k_fast_slice_ns = 100'000;      // processors whose slices are shorter have none that lasts
constexpr std::int64_t k_crowd_ns = 20'000'000;        // calls that block follow each other within this time

}  // namespace

Monitor::Monitor(Scheduler& scheduler)
    : scheduler_(scheduler),
      quantum_ns_(scheduler.config.quantum.count()),
      tick_ns_(std::max(quantum_ns_ / 4, k_least_pause_ns)),
      watches_(scheduler.processors.size()),
      detached_(scheduler, tick_ns_, signals) {}

void Monitor::start() {
    const int error = os::start_thread(
        thread_, "reeve-monitor", 0, [](void* raw) { static_cast<Monitor*>(raw)->main(); }, this);
    if (error != 0) fatal("cannot start the monitor thread (errno %d): check `ulimit -u`", error);
}

void Monitor::stop() {
    is_stopping_.store(true, std::memory_order_release);
    parker_.wake();
    pthread_join(thread_, nullptr);
}

void Monitor::main() {
    os::sharpen_timers();
    scheduler_.deadlock_check.note_monitor(os::thread_id());
    const KernelHints hints = scheduler_.config.kernel_hints;
    if (hints != KernelHints::none) os::ask_for_slice(os::thread_id(), k_monitor_slice_ns);
    if (hints == KernelHints::automatic) (void)os::ask_for_real_time();
    const std::int64_t trace_ns = scheduler_.config.schedtrace.count();
    next_trace_ns_ = trace_ns > 0 ? monotonic_ns() + trace_ns : Deadline::k_never_ns;
    Housekeeper& housekeeper = scheduler_.housekeeper;
    std::int64_t busy_ns = monotonic_ns();  // when something ran last
    bool is_lull = false;
    std::int64_t cpu_ns = os::cpu_time_ns(pthread_self());
    Allowance allowance(k_saved_ns, k_owed_ns, busy_ns);
    while (!is_stopping_.load(std::memory_order_acquire)) {
        const std::int64_t now = monotonic_ns();
        ticks.add();
        const bool was_noted = attention_.exchange(Attention::looking, std::memory_order_seq_cst) == Attention::noted;
        if (watch_all(now)) busy_ns = now;
        is_lull = now - busy_ns >= k_quiet_quanta * quantum_ns_;
        if (scheduler_.has_preempted() || !scheduler_.returning.is_empty()) scheduler_.wake_idle();
        if (code_map::is_stale() && now >= next_refresh_ns_) {
            housekeeper.ask_for(Housekeeper::code_map);
            next_refresh_ns_ = now + k_refresh_pause_ns;
        }
        if (now >= scheduler_.wait_circles.next_look_ns()) housekeeper.ask_for(Housekeeper::circles);
        if (now >= next_trace_ns_) {
            next_trace_ns_ = now + trace_ns;
            housekeeper.ask_for(Housekeeper::trace);
        }
        if (now >= next_trim_ns_) {
            next_trim_ns_ = now + k_trim_period_ns;
            if (scheduler_.stacks.begin_trim_period()) housekeeper.ask_for(Housekeeper::stacks);
        }
        if (!is_lull) {
            // It runs before everybody else: what it takes they do not get, and the more threads want a CPU the less is for it.
            // By its CPU clock: waking up, much of its work, is no part of `after - now`.
            const std::int64_t after = monotonic_ns();
            const std::int64_t cpu = os::cpu_time_ns(pthread_self());
            const std::int64_t may_look_ns = allowance.spend(cpu - std::exchange(cpu_ns, cpu), detached_.parts(k_most_parts), after);
            const std::int64_t soonest = std::max(after + k_least_pause_ns, may_look_ns);
            const std::int64_t soon = std::max(now + tick_ns_, soonest);
            std::int64_t next = std::max(next_look_ns(now), soonest);
            // It is patient only where a slice lasts. Where they are short it comes back within a quantum anyway, and sooner when
            // it is told of something: being woken by each fiber that is woken would cost more than all of them. Where none has
            // computed of late it need not: looks a quarter of a quantum apart were a twentieth of what 100,000 sleepers cost.
            Attention looking = Attention::looking;
            const bool may_rest = next - now > quantum_ns_
                                      ? attention_.compare_exchange_strong(looking, Attention::patient)
                                      : is_brisk() || (!was_noted && attention_.load(std::memory_order_seq_cst) == looking);
            if (next > soon && !may_rest) next = soon;
            if (parker_.park_until(next) && may_look_ns > after) os::sleep_until(may_look_ns);
            continue;
        }
        is_asleep_.store(true, std::memory_order_seq_cst);
        // A worker that woke up before it could see is_asleep is seen here (pairs with wake_if_asleep in Worker::sleep).
        const bool is_quiet = std::all_of(scheduler_.processors.begin(), scheduler_.processors.end(),
                                          [](auto& p) { return p->is_idle.load(std::memory_order_seq_cst); });
        if (is_quiet) {
            // Only now: what runs after this wakes the monitor, and is looked at before it sleeps again.
            if (scheduler_.deadlock_check.is_possible()) housekeeper.ask_for(Housekeeper::deadlock);
            std::int64_t next_look_ns = scheduler_.wait_circles.next_look_ns();
            if (next_look_ns <= monotonic_ns()) {
                housekeeper.ask_for(Housekeeper::circles);
                next_look_ns = Deadline::k_never_ns;  // should more fibers wait by then, one has run, and the monitor is awake
            }
            // What a burst has left behind is given back after a while.
            if (scheduler_.stacks.has_surplus()) next_look_ns = std::min(next_look_ns, next_trim_ns_);
            parker_.park_until(std::min(next_trace_ns_, next_look_ns));
        }
        is_asleep_.store(false, std::memory_order_seq_cst);
        busy_ns = monotonic_ns();
    }
}

std::int64_t Monitor::pause_ns(const Watch& last, std::int64_t now_ns) const {
    if (now_ns - blocked_ns_ < k_crowd_ns) return std::min(2 * k_least_pause_ns, tick_ns_);
    return last.changes_fast ? quantum_ns_ : tick_ns_;
}

std::int64_t Monitor::next_look_ns(std::int64_t now_ns) const {
    bool any_may_complete = false;
    std::int64_t next = now_ns + (detached_.is_empty() ? k_turn_quanta * quantum_ns_ : tick_ns_);
    for (std::size_t i = 0; i < watches_.size(); ++i) {
        any_may_complete = any_may_complete || scheduler_.processors[i]->io.has_in_flight();
        next = std::min(next, watches_[i].next_look_ns);
        // A timer that comes due behind a fiber that computes is worth a look of its own.
        if (watches_[i].changes_fast || !ProcessorWord::is_user(scheduler_.processors[i]->word.load())) continue;
        next = std::min(next, std::max(scheduler_.processors[i]->timers.earliest_ns(), now_ns + k_least_pause_ns));
    }
    // A slice that has just begun will be one of those that last where fibers compute.
    if (any_may_complete && scheduler_.has_preempted()) next = std::min(next, now_ns + tick_ns_);
    return std::min(next, next_trace_ns_);
}

bool Monitor::is_brisk() const {
    return detached_.is_empty() && scheduler_.preempted.is_empty() &&
           std::all_of(watches_.begin(), watches_.end(), [](const Watch& last) { return last.changes_fast; });
}

bool Monitor::watch_all(std::int64_t now_ns) {
    bool is_busy = false;
    for (std::size_t i = 0; i < watches_.size(); ++i) {
        Processor& processor = *scheduler_.processors[i];
        Watch& last = watches_[i];
        if (processor.is_idle.load(std::memory_order_relaxed)) {
            forget(last);
            last.slices = processor.slices.load(std::memory_order_relaxed);
            last.looked_ns = now_ns;
            last.changes_fast = true;
            last.next_look_ns = now_ns + pause_ns(last, now_ns);
            continue;
        }
        is_busy = true;
        // What Scheduler::make_runnable left to its own worker, which has not got to it: with preemption or without.
        if (!processor.queue.is_empty()) scheduler_.wake_idle();
        if (scheduler_.config.preemption)
            watch(processor, last, now_ns);
        else
            last.next_look_ns = now_ns + quantum_ns_;
    }
    detached_.watch(now_ns);
    is_busy = detached_.any_computes() || is_busy;
    mind_turnstile(now_ns);
    return is_busy;
}

void Monitor::mind_turnstile(std::int64_t now_ns) {
    Turnstile& turnstile = scheduler_.turnstile;
    if (!detached_.fill_idle()) {
        turnstile.open();
    } else if (turnstile.is_open()) {
        turnstile.shut();
        let_in_ns_ = now_ns;
    } else if (now_ns - let_in_ns_ >= (1 + detached_.too_many()) * k_turn_quanta * quantum_ns_) {
        turnstile.let_one();
        let_in_ns_ = now_ns;
    }
}

Monitor::Waiting Monitor::who_waits(const Processor& processor, std::int64_t now_ns) const {
    if (scheduler_.is_stopping()) return Waiting::woken;
    if (!processor.queue.is_empty() || !scheduler_.global.is_empty() || !scheduler_.returning.is_empty() ||
        scheduler_.has_backlog_to_start() ||
        processor.timers.earliest_ns() <= now_ns || processor.io.has_completions() || processor.io.has_unsubmitted() ||
        processor.has_cancels.load(std::memory_order_relaxed))
        return Waiting::woken;
    return scheduler_.has_preempted() ? Waiting::computing : Waiting::nobody;
}

void Monitor::watch(Processor& processor, Watch& last, std::int64_t now_ns) {
    const std::uint64_t word = processor.word.load();
    const std::uint32_t slices = processor.slices.load(std::memory_order_relaxed);
    Worker* worker = processor.worker.load(std::memory_order_relaxed);
    std::int64_t began = 0;
    if (slices != last.slices || worker != last.worker) {
        began = processor.slice_began_ns.exchange(0, std::memory_order_relaxed);
        const bool changes_fast = began == 0 && (slices - last.slices) * k_fast_slice_ns > now_ns - last.looked_ns;
        forget(last);
        last = {.slices = slices,
                .since_ns = began != 0 ? began : now_ns,
                .worker = worker,
                .lasts = began != 0,
                .changes_fast = changes_fast};
    } else {
        last.lasts = true;
        last.changes_fast = false;
    }
    last.looked_ns = now_ns;
    Waiting waiting = who_waits(processor, now_ns);
    // A fiber that was stopped and is named as the successor is in no queue. It waits all the same: until the take, if need be.
    if (waiting == Waiting::nobody && last.asked_ns != 0) {
        const Worker* next = worker->successor.load(std::memory_order_relaxed);
        if (next && next->current_fiber()) waiting = Waiting::computing;
    }
    const std::int64_t elapsed = now_ns - last.since_ns;
    const std::int64_t brief = std::max(quantum_ns_ / 4, k_least_slice_ns);
    // Who is stopped stands in one line for all processors: a turn must not be longer on one than on the other, or those who
    // happen to get the long ones get several times as much as the rest.
    const std::int64_t lengthy = k_turn_quanta * quantum_ns_;
    if (waiting == Waiting::woken && elapsed + tick_ns_ >= brief) brief_ns_ = now_ns;
    const std::int64_t turn = now_ns - brief_ns_ < lengthy ? std::min(std::max(brief, k_least_turn_ns), lengthy) : lengthy;
    const std::int64_t allowed = waiting == Waiting::woken ? brief : turn;
    // A fiber that calls the runtime now and then gives up there: told a tick before, it needs no signal.
    if (waiting != Waiting::nobody && elapsed + tick_ns_ >= allowed) {
        processor.overdue_since_ns.store(last.since_ns, std::memory_order_relaxed);
        processor.is_overdue.store(true, std::memory_order_release);
    }
    last.next_look_ns = now_ns + pause_ns(last, now_ns);
    if (!ProcessorWord::is_user(word)) {
        // It may stay in the runtime for long (NoPreempt): who was to follow it is not kept from other processors.
        if (last.asked_ns != 0 && now_ns - last.asked_ns >= k_patience_ns) {
            take_back_successor(*worker);
            last.asked_ns = 0;
        }
        return;
    }
    if (processor.is_given.load(std::memory_order_relaxed)) {
        // It waits for a CPU among others that compute. A spare worker, which has used little of late, gets one sooner.
        if (waiting != Waiting::woken || !last.lasts || elapsed < tick_ns_ || worker->current_fiber() == nullptr) return;
        if (Worker* next = scheduler_.take_spare()) (void)take(processor, word, *next);
        return;
    }
    Pace pace = pace_of(last, *worker, now_ns);
    if (pace == Pace::unclear && began != 0) pace = Pace::computes;  // it was stopped while it computed; ask() looks again
    if (!last.lasts || pace == Pace::unclear) {
        // Does it sleep in a call that lasts, or in one that is over in a moment? The next look tells.
        if (!last.changes_fast && !os::is_runnable(worker->thread_id.load(std::memory_order_relaxed)))
            last.next_look_ns = now_ns + k_least_pause_ns;
        return;
    }
    if (pace == Pace::computes) {
        // Completions come unannounced; of the rest the monitor knows beforehand, or it is told (note_work). A look costs more
        // than anything that is done at it: so slices of several processors end at one.
        const bool is_patient = waiting != Waiting::woken && !processor.io.has_in_flight();
        const std::int64_t left = allowed - elapsed - (is_patient ? tick_ns_ : 0);
        if (is_patient) last.next_look_ns = waiting == Waiting::nobody ? now_ns + k_turn_quanta * quantum_ns_ : last.since_ns + allowed;
        if (waiting == Waiting::nobody || left > 0) return;
        if (last.asked_ns == 0) {
            if (ask(*worker, waiting))
                last.asked_ns = now_ns;
            else
                last.next_look_ns = now_ns + k_least_pause_ns;  // it sleeps by now
            return;
        }
        if (now_ns - last.asked_ns < k_patience_ns) return;
    }
    // The handler may just have got hold of the successor: then it is handing over. If not, or if the holder is in the runtime
    // by now, it is asked anew.
    Worker* next = last.asked_ns != 0 ? worker->successor.exchange(nullptr, std::memory_order_acq_rel) : find_successor(waiting);
    last.asked_ns = 0;
    if (!next) return;
    const TakeReason reason = pace == Pace::computes ? TakeReason::unanswered : TakeReason::blocked;
    if (reason == TakeReason::blocked) blocked_ns_ = now_ns;
    worker->detachment.begin(reason, now_ns);
    if (!take(processor, word, *next)) return;
    note_detached(*worker);
    scheduler_.ledger.taken(reason, elapsed);
}

void Monitor::forget(Watch& last) {
    if (last.asked_ns != 0) take_back_successor(*last.worker);
    last = {};
}

Monitor::Pace Monitor::pace_of(Watch& last, Worker& worker, std::int64_t now_ns) {
    const bool is_first = last.cpu_read_ns == 0;
    const std::int64_t since = now_ns - std::exchange(last.cpu_read_ns, now_ns);
    const std::int64_t cpu = os::cpu_time_ns(worker.thread);
    const std::int64_t used = cpu - std::exchange(last.cpu_ns, cpu);
    if (is_first) return Pace::unclear;
    if (used >= k_busy_ns) {
        last.waits_for_cpu = false;
        return Pace::computes;
    }
    if (since < k_least_pause_ns) return Pace::unclear;
    // One that the kernel gave no CPU, or that was stopped with its whole process, would compute. As long as it gets none, it
    // cannot fall asleep.
    if (used != 0 || !last.waits_for_cpu) last.waits_for_cpu = os::is_runnable(worker.thread_id.load(std::memory_order_relaxed));
    return last.waits_for_cpu ? Pace::computes : Pace::sleeps;
}

Worker* Monitor::find_successor(Waiting waiting) {
    // A spare worker looks at everything there is, or sleeps where it is woken by the first completion; where only preempted
    // fibers wait, or no thread is left, the first of these goes on without a detour.
    Worker* spare = nullptr;
    if (waiting == Waiting::woken) spare = scheduler_.take_spare();
    if (waiting == Waiting::nobody) spare = scheduler_.take_spare(Scheduler::Spare::unreserved);
    if (spare) return spare;
    // Past the turnstile where the processor would stay with one that is to lose it.
    Fiber* held = waiting == Waiting::computing ? scheduler_.pop_preempted() : scheduler_.preempted.pop();
    if (held) return held->held_by.load(std::memory_order_relaxed);
    if (waiting != Waiting::nobody) no_spare.add();
    return nullptr;
}

void Monitor::dismiss(Worker& successor) {
    if (Fiber* held = successor.current_fiber())
        scheduler_.preempted.push(*held);
    else
        scheduler_.put_spare(successor);
}

bool Monitor::ask(Worker& worker, Waiting waiting) {
    // It has computed of late, but may sleep by now: a signal would end its call early.
    if (!os::is_runnable(worker.thread_id.load(std::memory_order_relaxed))) return false;
    Worker* next = find_successor(waiting);
    if (!next) return false;
    if (Worker* unused = worker.successor.exchange(next, std::memory_order_acq_rel)) dismiss(*unused);
    signals.add();
    signal_worker(worker, preempt_signal(scheduler_.config));
    return true;
}

bool Monitor::take(Processor& processor, std::uint64_t seen, Worker& successor) {
    if (!processor.word.take(seen)) {
        dismiss(successor);
        return false;
    }
    taken.add();
    successor.give(processor, nullptr, Wake::at_home);
    return true;
}

void Monitor::take_back_successor(Worker& worker) {
    if (Worker* unused = worker.successor.exchange(nullptr, std::memory_order_acq_rel)) dismiss(*unused);
}

}  // namespace reeve::sched
