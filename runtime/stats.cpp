#include "runtime/stats.hpp"

#include "runtime/sched/dump.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

Stats stats() {
    Stats sum;
    sched::Entry entry;
    sched::Scheduler* scheduler = sched::Scheduler::active();
    if (!scheduler) return sum;
    for (auto& processor : scheduler->processors) {
#define REEVE_STATS_ADD(name, what) sum.name += processor->counters.name.value();
        REEVE_COUNTERS(REEVE_STATS_ADD)
#undef REEVE_STATS_ADD
    }
    sum.io_engine = scheduler->io.name();
    sum.io_uring_refusal = scheduler->io.refusal();
    sum.live_fibers = scheduler->live_fibers();
    sum.threads = scheduler->thread_count();
    sum.monitor_ticks = scheduler->monitor->ticks.value();
    sum.processors_taken = scheduler->monitor->taken.value();
    sum.preempt_signals = scheduler->monitor->signals.value();
    sum.preemption = scheduler->ledger.stats();
    sum.preempt_refusals = sum.preemption.refused();
    return sum;
}

void dump(int fd) {
    sched::Entry entry;
    if (sched::Scheduler* scheduler = sched::Scheduler::active()) sched::dump_all(*scheduler, fd);
}

}  // namespace reeve
