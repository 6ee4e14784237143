// Scheduler: the whole. It owns processors, workers, the queues that belong to no processor, and the stacks; it makes
// fibers and makes them runnable; it starts and ends in numbered steps (scheduler.cpp).
//
// One is active per process at a time (run() sees to it). Methods say who may call them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/base/spin_lock.hpp"
#include "runtime/config.hpp"
#include "runtime/context/stack.hpp"
#include "runtime/os/futex.hpp"
#include "runtime/sched/blocking_gate.hpp"
#include "runtime/sched/deadlock.hpp"
#include "runtime/sched/fiber_pool.hpp"
#include "runtime/sched/global_queue.hpp"
#include "runtime/sched/housekeeper.hpp"
#include "runtime/sched/idle.hpp"
#include "runtime/sched/io_engines.hpp"
#include "runtime/sched/join_blocks.hpp"
#include "runtime/sched/ledger.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/rehearsal.hpp"
#include "runtime/sched/turnstile.hpp"
#include "runtime/sched/wait_circles.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {

class Monitor;

class Scheduler {
public:
    explicit Scheduler(const Config& config);
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    // The one that run() has active, or null. Any thread; signal-safe.
    static Scheduler* active() { return s_active.load(std::memory_order_acquire); }
    // In a forked child, whose parent has it.
    static void abandon_active() { s_active.store(nullptr, std::memory_order_relaxed); }

    // Ends everything; a plain thread. True: all fibers ended and all threads were joined. False: some did not in
    // Config::shutdown_grace; they are stopped where they are and their memory must not be freed.
    bool shut_down();

    // --- fibers; any thread (workers: in the runtime)
    // A new fiber, unpublished; null when the address space is exhausted. It gets a stack now if it needs one before it begins: for
    // a name, labels, or because it wants one of another size.
    Fiber* create(std::string_view name, std::size_t stack_bytes);
    // Room at the top of the stack of such a fiber, once.
    void* room_on_stack(Fiber& fiber, std::size_t bytes, std::size_t alignment);
    void start(Fiber& fiber);
    // On whichever processor comes first, an idle one at once.
    [[gnu::cold]] void start_elsewhere(Fiber& fiber);
    // By the worker that is about to run it for the first time.
    void begin(Processor& processor, Fiber& fiber);
    // Puts a fiber that nobody else holds on a run queue and wakes a processor for it if need be.
    void make_runnable(Fiber& fiber);
    // A worker in the runtime only: the fiber has ended and its stack was left.
    void recycle(Processor& processor, Fiber& fiber);

    // When it has made many others runnable; null: nobody.
    [[nodiscard]] bool may_give_way(const Fiber* fiber) const { return config.preemption && fiber && fiber->pins == 0; }

    // Wakes an idle processor if there is one and nobody searches. Call after work was published.
    void notify_work();
    // While a plain thread has one, run() does not end: whom it wakes may be the last fiber, and nobody waits for that thread.
    class [[nodiscard]] Visit {
    public:
        explicit Visit(Scheduler& scheduler) : visits_(scheduler.visits_) { visits_.fetch_add(1, std::memory_order_relaxed); }
        ~Visit() { visits_.fetch_sub(1, std::memory_order_release); }
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;

    private:
        std::atomic<unsigned>& visits_;
    };
    // The same by the monitor, which need not be told.
    void wake_idle();

    // --- threads
    // A worker without processor or fiber, waiting to be given one; null when none waits, then the housekeeper starts more.
    // `unreserved`: not one of the last few under the cap, which are kept for woken and new fibers. Any thread, not in a
    // handler.
    enum class Spare { any, unreserved };
    Worker* take_spare(Spare which = Spare::any);
    void put_spare(Worker& worker);
    // Sees to it that some spares wait, ready to run: starting a thread takes long on a busy machine. The housekeeper.
    void refill_spares();
    [[nodiscard]] unsigned thread_count() const { return thread_count_.load(std::memory_order_relaxed); }

    // Only the reserve of threads is left. Every fiber that is started and then computes keeps a thread, so those that were
    // made before the shortage wait for its end, in the backlog; what is made now may be short, and starts, down to one free
    // thread per processor. These last ones run what has begun already and was woken. What is new and came while only they were
    // free waits in a backlog of its own, for the next thread.
    [[nodiscard]] bool is_short_of_threads() const { return is_short_.load(std::memory_order_relaxed); }
    // A worker in the runtime. True: `fiber` went to a backlog.
    bool postpones(Fiber& fiber);
    Fiber* pop_global();  // the next of the global queue, or of a backlog
    // The next of those that were stopped, if one may be taken. Any thread.
    Fiber* pop_preempted() { return !preempted.is_empty() && turnstile.enter() ? preempted.pop() : nullptr; }
    [[nodiscard]] bool has_preempted() const { return !preempted.is_empty() && turnstile.lets_in(); }
    // By one thread more than there is now: an idle one that wakes, or a spare one.
    [[nodiscard]] bool has_backlog_to_start() const {
        return (!new_backlog_.is_empty() && starts_new(1)) || (!is_short_of_threads() && !backlog_.is_empty());
    }

    [[nodiscard]] bool is_stopping() const { return is_stopping_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t live_fibers() const;

    // Every fiber there is, while it may change: for the dump and for shutting down.
    template <class Visitor>
    void for_each_fiber(Visitor visit) {
        fibers.for_each([&](Fiber& fiber) {
            if (fiber.phase.load(std::memory_order_acquire) != Phase::free) visit(fiber);
        });
    }
    template <class Visitor>
    void for_each_worker(Visitor visit) {
        SpinGuard guard(workers_lock_);
        for (auto& worker : workers_) visit(*worker);
    }

    const Config config;
    const std::vector<int> cpus;  // those this process may use
    const int nice;
    const std::int64_t started_ns = monotonic_ns();
    context::StackPool stacks;
    FiberPool fibers;
    JoinBlocks join_blocks;
    IoEngines io;
    std::vector<std::unique_ptr<Processor>> processors;
    const std::unique_ptr<Rehearsal> rehearsal;  // for tests; null in a normal run
    GlobalQueue global;
    HeldQueue returning;   // first: they were kept waiting by the kernel
    HeldQueue preempted;   // second, with a guaranteed share
    Turnstile turnstile;   // before it
    Idle idle;
    Ledger ledger;
    BlockingGate blocking_gate;
    DeadlockCheck deadlock_check{*this};
    WaitCircles wait_circles{*this};
    std::unique_ptr<Monitor> monitor;
    Housekeeper housekeeper{*this};
    std::atomic<bool> cancels_new_fibers{false};

private:
    [[nodiscard]] unsigned free_threads() const;
    void note_free_threads();
    // `threads`: those that are taken for it first. One that sleeps with an idle processor is as good as free.
    [[nodiscard]] bool starts_new(unsigned threads) const {
        return !is_short_of_threads() || free_threads() + static_cast<unsigned>(idle.count()) > processors.size() + threads;
    }
    Fiber* pop_runnable() {
        if (rehearsal) [[unlikely]]
            return rehearsal->pick(global);
        return global.pop();
    }
    Worker* pop_spare();     // from the list, or null
    Worker* start_worker();  // a new thread, or null
    context::StackPool& pool_of(std::size_t stack_bytes);
    Fiber* take_record(Processor* processor);
    context::Stack take_stack(Processor* processor);
    // What is not usual: false when the address space is exhausted.
    [[gnu::cold]] bool fit_out(Fiber& fiber, Processor* processor, std::string_view name, std::size_t stack_bytes, const Fiber* maker);
    void give_stack(Fiber& fiber, const context::Stack& stack, context::StackPool& pool);
    StackHead& with_stack(Fiber& fiber, Processor* processor);  // of the default size, unless it has one already
    bool wait_for_fibers(std::int64_t deadline_ns);
    bool wait_for_threads(std::int64_t deadline_ns);

    static std::atomic<Scheduler*> s_active;

    SpinLock other_pools_lock_;
    std::map<std::size_t, std::unique_ptr<context::StackPool>> other_pools_;

    SpinLock workers_lock_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::atomic<unsigned> thread_count_{0};
    std::atomic<bool> cap_was_reported_{false};
    SpinLock spares_lock_;
    Worker* spares_ = nullptr;
    std::atomic<unsigned> spare_count_{0};
    const unsigned reserved_threads_;
    std::atomic<bool> is_short_{false};
    std::atomic<std::int64_t> short_since_ns_{0};
    GlobalQueue backlog_;
    GlobalQueue new_backlog_;

    std::atomic<bool> is_stopping_{false};
    std::atomic<unsigned> visits_{0};
    std::atomic<std::uint64_t> started_outside_{0};  // fibers started by plain threads
    std::atomic<std::uint64_t> outside_id_{1};
};

}  // namespace reeve::sched
