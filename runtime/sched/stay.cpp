// Worker: the waits of a fiber that keeps its thread, pinned by its program or by a lock of the OS that it holds.
//
// Idea. As long as there is nothing to run, the thread that waits with its fiber minds the processor, too: it sleeps in the engine
// and does what any idle worker does, on the fiber's stack. So whoever ends the wait has one thread to wake, and no processor to
// find. What is to be run needs another thread: a spare worker gets the processor then, and the thread sleeps by itself.
#include <utility>

#include "runtime/base/barrier.hpp"
#include "runtime/os/held_locks.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/lock_check.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {

// Pinned by its program, or by a lock of the OS, which only the thread that took it can release.
bool Worker::keeps_thread(After after) {
    const Fiber& self = *current_fiber();
    if (scheduler.config.check_locks && self.pins == 0) tell_of_held_locks(self, after);
    if (after == After::ended) os::forget_held_locks();
    return after != After::ended;
}

// A CPU that falls asleep needs some 25 us to wake up again: two threads that answer each other at once would do nothing else.
// So who was woken soon the last time looks for a while before it sleeps.
void Worker::watch_for_end(std::int64_t until_ns) const {
    while (minded_.load(std::memory_order_acquire) && scheduler.global.is_empty() && scheduler.returning.is_empty() &&
           !scheduler.has_preempted() && monotonic_ns() < until_ns)
        spin_pause();
}

// True: the wait is over, and the processor still in hand. False: there is something to run that needs another thread.
bool Worker::mind(Processor& mine) {
    constexpr std::int64_t k_soon_ns = 100'000;
    constexpr std::int64_t k_watch_ns = 50'000;
    const std::int64_t began_ns = monotonic_ns();
    if (is_woken_soon_ && !scheduler.rehearsal) watch_for_end(began_ns + k_watch_ns);
    bool is_over;
    for (bool others_wait = false;; others_wait = !sleep(mine)) {
        poll(mine);
        is_over = minded_.load(std::memory_order_acquire) == nullptr;
        if (is_over || others_wait || is_searching_ || !mine.queue.is_empty()) break;
    }
    const bool was_woken_for_work = std::exchange(is_searching_, false);
    const bool was_last = was_woken_for_work && scheduler.idle.end_search();
    // At the last moment, perhaps.
    if (!is_over) is_over = minded_.exchange(nullptr, std::memory_order_acq_rel) == nullptr;
    is_woken_soon_ = is_over && monotonic_ns() - began_ns < k_soon_ns;
    if (!is_over) return false;
    if (was_last || !mine.queue.is_empty()) scheduler.notify_work();
    mine.begin_slice();
    return true;
}

void Worker::resume_pinned() {
    Processor* minded = minded_.exchange(nullptr, std::memory_order_acq_rel);
    if (!minded)
        pinned_.wake();
    else if (current_worker() != this)  // else it is in mind(), and looks
        minded->io.wake();
}

Worker& Worker::stay(After after) {
    Fiber& self = *current_fiber();
    if (after == After::yielded) {
        if (!give_to(scheduler.take_spare())) return *this;
        self.phase.store(Phase::preempted, std::memory_order_relaxed);
        do {
            stand_in_line(scheduler.preempted);
            scheduler.notify_work();
        } while (!await_processor());
        return *this;
    }
    Processor& mine = *processor();
    mine.counters.parks.add();
    const unsigned entry_depth = depth();
    // Both published by leave(): whoever ends the wait wakes this thread.
    self.held_by.store(this, std::memory_order_relaxed);
    minded_.store(&mine, std::memory_order_relaxed);
    if (self.state.leave()) {
        minded_.store(nullptr, std::memory_order_relaxed);
    } else {
        mine.counters.parks_for_fibers.add();  // maybe: there are few of these
        if (!mind(mine)) {
            if (!give_to(scheduler.take_spare())) processor()->word.leave(claim_);
            depth_.store(0, std::memory_order_relaxed);
            pinned_.park();
            enter();
            depth_.store(entry_depth, std::memory_order_relaxed);
        }
    }
    self.held_by.store(nullptr, std::memory_order_relaxed);
    self.phase.store(Phase::running, std::memory_order_relaxed);
    return *this;
}

}  // namespace reeve::sched
