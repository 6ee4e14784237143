// DeadlockCheck: notices that every fiber waits and that nothing is left which could wake one.
//
// Idea. Go's checkdead, made from what can be known from outside. Only a fiber, a timer, a request in the kernel, a plain thread
// or a signal handler can wake a fiber. So it is a deadlock when all fibers are parked, no timer is armed, no ring has a request
// in flight, the process has no thread but the runtime's own, and the program has no signal handler. Where one of these is
// there the check says nothing, whatever it is there for: it misses deadlocks rather than invent one. A fiber in blocking(), or
// in a system call, is not parked.
//
// When. The monitor asks when nothing has run for a while and it is about to sleep; the housekeeper looks. While fibers run it
// costs nothing, and where a timer is armed or a request in flight, as in every server, a few loads before that sleep.
//
// It looks at one thing after another, so it looks twice: what has run meanwhile has moved a counter of its processor. Threads
// first: once there are none of the program's, only fibers can act, and each of these is seen waiting, or moves a counter.
// Whatever ends the quiet wakes the monitor, which asks anew before it sleeps again. Not noticed: that a thread of the program
// ends without a last word to the runtime.
//
// Callers: is_possible, any thread; check, the housekeeper; note_*, who they name.
#pragma once

#include <atomic>
#include <cstdint>

namespace reeve::sched {

class Scheduler;

class DeadlockCheck {
public:
    // On the thread that run() was called on, which waits for main.
    explicit DeadlockCheck(Scheduler& scheduler);

    // The monitor, once it runs.
    void note_monitor(int thread_id) { monitor_thread_.store(thread_id, std::memory_order_relaxed); }
    // The main fiber, before it ends: the thread that waits for it acts from now on.
    void note_main_returned() { main_has_returned_.store(true, std::memory_order_seq_cst); }

    // False: something runs or is going to, or the check is switched off.
    [[nodiscard]] bool is_possible() const;
    // Tells of a deadlock, once; ends the process then if Config::on_deadlock says so.
    void check();

private:
    [[nodiscard]] std::uint64_t moves() const;
    [[nodiscard]] bool has_threads_of_program();
    [[nodiscard]] bool has_handlers_of_program() const;
    [[nodiscard]] bool all_are_parked();

    Scheduler& scheduler_;
    const int run_thread_;
    std::atomic<int> monitor_thread_{0};
    std::atomic<bool> main_has_returned_{false};
    std::uint64_t told_at_ = 0;  // moves() then
};

}  // namespace reeve::sched
