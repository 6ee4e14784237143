// Worker: an OS thread that can run fibers, and the switch between them.
//
// Idea. A worker that holds a processor alternates between the scheduler's stack (its own thread's) and fibers. A fiber
// that gives up goes straight to the next runnable one when there is one in the local queue; to the scheduler's stack
// otherwise. What must happen to the fiber that was left (queue it, publish that it is parked, free its stack) happens
// on the stack that is entered: only then is the old stack not in use any more.
//
// A worker that lost its processor (preempted, or blocked in the kernel) keeps its fiber and its thread: it is detached.
// At its next entry into the runtime it queues itself, with the fiber, and sleeps until somebody gives it a processor.
// A pinned fiber that parks keeps its thread, too (stay.cpp).
//
// Callers are named per method. "In the runtime": see entry.hpp, which has the part of a worker that user code looks at.
//
// I1  A fiber runs only on the worker whose `fiber` it is; held_by is set while that worker waits with it.
// I2  A worker never exits before the scheduler ends: kernel requests die with the thread that submitted them.
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>

#include "runtime/context/context.hpp"
#include "runtime/context/exception_state.hpp"
#include "runtime/os/futex.hpp"
#include "runtime/os/signal_timer.hpp"
#include "runtime/sched/entry.hpp"
#include "runtime/sched/ledger.hpp"

namespace reeve::sched {

// Kernel slices (os/kernel_schedule.hpp). A thread that wakes up gets the CPU of one with a longer slice at once, of one with
// an equal slice up to a kernel tick later: hence three lengths. Whoever watches beats whoever works (or waits, with requests
// whose completions only its thread can post), who beats whoever was stopped for computing or could not be.
inline constexpr std::int64_t k_monitor_slice_ns = 100'000;  // the kernel's minimum
inline constexpr std::int64_t k_worker_slice_ns = 500'000;
inline constexpr std::int64_t k_computing_slice_ns = 3'000'000;  // it may outlast the computing: not longer

// How long the monitor waits for a fiber that was asked to stop, and a fiber tries to: most calls of libraries are shorter.
inline constexpr std::int64_t k_patience_ns = 400'000;

struct Backtrace;
struct Fiber;
class HeldQueue;
struct Processor;
class Scheduler;
class Timers;

// What is to be done with a fiber once its stack has been left.
enum class After : std::uint8_t { nothing, yielded, parked, ended };

// Where a worker wakes that is given a processor. When threads take turns, the kernel tends to put the next one where it last
// ran, behind another that computes, and leaves the CPU that became free idle until its next tick. `at_home` is the
// processor's own CPU; `in_my_place` as well, but the giver sleeps next and is not disturbed in doing so.
enum class Wake : std::uint8_t { anywhere, at_home, in_my_place };

class Worker : public WorkerEntry, public context::Traveller {
public:
    explicit Worker(Scheduler& owner) : scheduler(owner) {}

    // The body of its thread.
    void main();

    // --- its own thread, user code
    // Gives the processor away for good, to run user code that will block; the next enter() waits for another.
    void detach();

    // In a forked child: the next enter() finds no processor.
    void lose_processor() {
        if (depth() == 0) processor_.store(nullptr, std::memory_order_relaxed);
    }

    // The fiber goes to the end of the local queue, from user code.
    void yield();
    // The wait of a pinned fiber is over: the thread that sleeps with it goes on. Any thread.
    void resume_pinned();

    // --- fibers; in the runtime, on the stack of the fiber concerned
    // Gives up; returns when the fiber runs again, with the worker it runs on then, maybe another one.
    Worker& switch_away(After after);
    // The first thing that runs on an entered stack.
    void arrive();
    // A new fiber, after arrive(): from the scheduler's depth to user code.
    void begin_user_code() {
        depth_.store(1, std::memory_order_relaxed);
        leave();
    }

    // --- the scheduler's side
    // Hands a processor to this worker, which waits for one. The caller held it; in the runtime, any worker or thread.
    // Signal-safe. From here on the processor may be taken from it again, until it has got a CPU and claimed it.
    // `giver`: the holder's claim, or null when nobody held it.
    void give(Processor& processor, Claim* giver, Wake wake);

    // Asks the kernel for slices of this length, where hints are allowed. Any thread; signal-safe.
    void ask_for_slice(std::int64_t slice_ns);
    // It waits for a processor and none will come any more: the scheduler ends.
    void wake_to_end() { parker_.wake(); }

    // --- the signal handler, on this thread, depth() being 0. Signal-safe.
    // Gives the processor to the successor the monitor named, if there is one; the thread is detached then.
    // `code`: what was interrupted, for the ledger.
    // `wake`: does this thread sleep next.
    void hand_over(std::uintptr_t code, Wake wake);
    // Detached: stops here, with the fiber, until a processor comes.
    void park_preempted();
    // It cannot be stopped here: the signal comes again in a moment. False: it has come often enough.
    bool ask_again();
    void end_signal();
    [[nodiscard]] unsigned times_asked() const { return times_asked_; }  // since the monitor's signal
    // The monitor asked for the processor.
    [[nodiscard]] bool has_successor() const { return successor.load(std::memory_order_relaxed) != nullptr; }
    // True: user code is running without a processor. Signal-safe; for others a hint.
    [[nodiscard]] bool is_detached() const;

    [[nodiscard]] Fiber* current_fiber() const { return fiber.load(std::memory_order_relaxed); }
    [[nodiscard]] Processor* processor() const;  // processor.hpp
    // In poll(): what becomes runnable now is run by this worker next, or announced once for all of it.
    [[nodiscard]] bool is_polling() const { return is_polling_; }

    Scheduler& scheduler;
    pthread_t thread{};
    std::atomic<int> thread_id{0};                 // the kernel's; 0 until the thread has started
    std::atomic<Fiber*> fiber{nullptr};            // what it runs or keeps; its own thread writes, the dump reads
    Worker* next_spare = nullptr;                  // guarded by the scheduler's spare list
    Worker* next_detached = nullptr;               // link of the monitor's inbox
    std::atomic<bool> is_watched{false};           // on its way to the monitor's list of detached workers, or there
    std::atomic<bool> is_signal_pending{false};    // one signal at a time
    std::atomic<std::int64_t> signalled_ns{0};     // when it was sent, or when who was stopped by it went on
    std::atomic<bool> has_refused{false};          // a signal found it where it must not be stopped; the monitor takes note
    Detachment detachment;                         // for the ledger
    std::atomic<Worker*> successor{nullptr};       // who is to get the processor; set by the monitor, taken by either
    std::atomic<Backtrace*> backtrace_wanted{nullptr};  // for the dump, taken by the handler
    std::atomic<bool> has_ended{false};            // its thread has nothing more to do

private:
    friend class WorkerEntry;
    void attach();
    void watch_for_end(std::int64_t until_ns) const;
    bool mind(Processor& processor);               // waits with a fiber that stays, and for work
    bool keeps_thread(After after);                // the fiber that leaves is pinned or holds a lock of the OS
    Worker& stay(After after);                     // switch_away() of such a fiber
    bool give_to(Worker* spare);
    void stand_in_line(HeldQueue& queue);
    bool await_processor();                        // false: it took so long to get a CPU that another was given the processor
    void settle(int home_cpu, Wake wake);
    void unsettle();                               // once awake, before any user code
    void schedule();                               // runs fibers until the processor is given away
    Fiber* find_work();
    Fiber* find_now(Processor& processor);
    Fiber* pop_local(Processor& processor);
    Fiber* steal(Processor& processor);
    bool sleep(Processor& processor);              // false: there was work after all
    void run(Fiber& fiber);
    void poll(Processor& processor);
    void fire(Processor& mine, Timers& timers, std::int64_t now_ns);
    void look_at_clock(Processor& processor);
    void load(Fiber& fiber);
    context::Side& turn_from(Fiber& fiber, After after);

    bool is_pinned_ = false;                       // by settle(), until unsettle()
    bool is_batch_ = false;
    std::atomic<std::int64_t> slice_ns_{0};        // asked for last
    std::atomic<bool> is_waiting_{true};           // for a processor, in attach(), the handler or the spare list
    bool is_searching_ = false;
    bool is_polling_ = false;
    os::Parker parker_;
    os::SignalTimer again_;
    unsigned times_asked_ = 0;
    // The processor this thread minds while its fiber waits. Whoever makes it null has ended the wait, or the minding; then the
    // thread sleeps in `pinned_`.
    std::atomic<Processor*> minded_{nullptr};
    os::Parker pinned_;
    bool is_woken_soon_ = false;                   // the last wait that this thread minded its processor in was short
    context::Side scheduler_side_;
    Fiber* left_ = nullptr;                        // the fiber whose stack was left, and what becomes of it
    After after_ = After::nothing;
    context::ExceptionState* exceptions_ = nullptr;
    int* errno_location_ = nullptr;
};

// Of the calling thread, see current.hpp.
[[nodiscard]] inline Worker* current_worker() { return static_cast<Worker*>(current_worker_entry()); }

}  // namespace reeve::sched
