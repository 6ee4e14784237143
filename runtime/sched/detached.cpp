#include "runtime/sched/detached.hpp"

#include <algorithm>

#include "runtime/os/thread.hpp"
#include "runtime/sched/preempt.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

constexpr unsigned k_patient_refusals = 4;
constexpr std::int64_t k_busy_ns = 20'000;  // CPU time between two looks that tells computing from sleeping
constexpr std::int64_t k_longest_pause_ns = 10'000'000;
constexpr std::int64_t k_longest_wait_ns = 1'000'000;  // between two looks at one that waits for a CPU
constexpr std::size_t k_looks = 8;  // at a time: some 25 us of the monitor's
constexpr int k_least_parts = 2;
constexpr int k_most_parts = 8;

}  // namespace

void Detached::note(Worker& worker) {
    if (worker.is_watched.exchange(true, std::memory_order_acq_rel)) return;
    Worker* head = noted_.load(std::memory_order_relaxed);
    do worker.next_detached = head;
    while (!noted_.compare_exchange_weak(head, &worker, std::memory_order_release, std::memory_order_relaxed));
}

Detached::One Detached::seen(Worker& worker, std::int64_t now_ns) const {
    return {.worker = &worker,
            .cpu_ns = os::cpu_time_ns(worker.thread),
            .next_look_ns = now_ns,
            .look_pause_ns = tick_ns_,
            .next_signal_ns = now_ns,
            .signal_pause_ns = tick_ns_};
}

bool Detached::has_attached(One& one, std::int64_t now_ns) const {
    Worker& worker = *one.worker;
    if (worker.is_detached()) return false;
    if (one.refusals >= k_patient_refusals) worker.ask_for_slice(k_worker_slice_ns);
    worker.is_watched.store(false, std::memory_order_seq_cst);
    if (!worker.is_detached() || worker.is_watched.exchange(true, std::memory_order_acq_rel)) return true;
    one = seen(worker, now_ns);
    return false;
}

Detached::Detached(Scheduler& scheduler, std::int64_t tick_ns, Counter& signals)
    : scheduler_(scheduler), tick_ns_(tick_ns), signals_(signals), share_(k_saved_ns, k_owed_ns, monotonic_ns()) {}

void Detached::watch(std::int64_t now_ns) {
    if (now_ns < may_watch_ns_) return;
    const std::int64_t began_ns = monotonic_ns();
    for (Worker* worker = noted_.exchange(nullptr, std::memory_order_acquire); worker; worker = worker->next_detached)
        all_.push_back(seen(*worker, now_ns));
    std::erase_if(all_, [&](One& one) { return has_attached(one, now_ns); });
    std::size_t looks = 0;
    for (std::size_t i = 0; i < all_.size() && looks < k_looks; ++i) {
        One& one = all_[next_++ % all_.size()];
        if (now_ns < one.next_look_ns) continue;
        ++looks;
        look_at(one, now_ns);
    }
    computing_ = static_cast<int>(std::count_if(all_.begin(), all_.end(), [](const One& one) { return one.computes; }));
    const std::int64_t ended_ns = monotonic_ns();
    may_watch_ns_ = share_.spend(ended_ns - began_ns, parts(k_most_parts), ended_ns);
}

int Detached::too_many() const { return std::max(computing_ - scheduler_.idle.count(), 0); }

int Detached::parts(int most) const { return std::min(k_least_parts + too_many(), most); }

bool Detached::fill_idle() const { return computing_ != 0 && computing_ >= scheduler_.idle.count(); }

void Detached::look_at(One& one, std::int64_t now_ns) {
    Worker& worker = *one.worker;
    const std::int64_t used = os::cpu_time_ns(worker.thread) - one.cpu_ns;
    one.cpu_ns += used;
    // Of many that compute each has little time; and one that has computed may sleep by now. Without any time it cannot fall
    // asleep, and one that slept disturbs nobody yet: then the clock, a tenth of the price, tells enough.
    if (used != 0 || !one.was_looked_at) one.computes = os::is_runnable(worker.thread_id.load(std::memory_order_relaxed));
    one.was_looked_at = true;
    if (used == 0 || !one.computes) {
        one.look_pause_ns = std::min(one.look_pause_ns * 2, one.computes ? k_longest_wait_ns : k_longest_pause_ns);
        one.next_look_ns = now_ns + one.look_pause_ns;
        return;
    }
    one.look_pause_ns = tick_ns_;
    // It may not be stopped here, so the kernel shares the CPUs out: it must not get in the way of short work. Before that it
    // keeps a short slice, or it would wait long for the CPU it needs to stop itself, or, having only been slow in a system
    // call, to go on.
    if (worker.has_refused.exchange(false, std::memory_order_relaxed) && ++one.refusals == k_patient_refusals)
        worker.ask_for_slice(k_computing_slice_ns);
    if (used < k_busy_ns || now_ns < one.next_signal_ns || too_many() == 0) return;
    signals_.add();
    signal_worker(worker, preempt_signal(scheduler_.config));
    one.next_signal_ns = now_ns + one.signal_pause_ns;
    one.signal_pause_ns = std::min(one.signal_pause_ns * 2, k_longest_pause_ns);
}

}  // namespace reeve::sched
