// Starting and ending, in numbered steps.
//
// Start: 1 processors with their I/O engines; 2 signal handlers; 3 as many workers as processors, each given one; 4 spares, the
// housekeeper, the monitor. Any step that fails ends the process with a reason: nothing runs yet that could be lost.
//
// End (shut_down): 1 new and existing fibers are cancelled: every wait ends with `cancelled`; 2 wait for the last fiber,
// for Config::shutdown_grace at most; 3 stop: no worker picks another fiber; those on their own stack exit; 4 if fibers are
// left, the monitor has those that compute stopped; 5 end monitor and housekeeper: no thread is started any more; 6 join the threads
// that ended. Fibers that are left stay where they are for ever, with everything they might touch.
#include "runtime/sched/scheduler.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "runtime/base/barrier.hpp"
#include "runtime/os/kernel_schedule.hpp"
#include "runtime/os/thread.hpp"
#include "runtime/sched/belongings.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/dump.hpp"
#include "runtime/sched/fetch.hpp"
#include "runtime/sched/fork.hpp"
#include "runtime/sched/join_core.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/preempt.hpp"

namespace reeve::sched {
namespace {

constexpr unsigned k_reserved_per_worker = 8;  // threads
constexpr std::size_t k_waiting_spares = 2;    // per processor
constexpr std::uint64_t k_id_block = 1024;  // fiber ids a processor takes at once

void nap() {
    const timespec pause{0, 200'000};
    nanosleep(&pause, nullptr);
}

constexpr unsigned k_ahead = 4;  // records that are taken later are fetched from memory

// The first thing on a new fiber's stack, and the last.
void fiber_main(context::Traveller& who) {
    auto* worker = static_cast<Worker*>(&who);
    worker->arrive();
    Fiber& self = *worker->current_fiber();
    // What switch_away() does for a fiber that continues: this one enters user code from depth 1.
    worker->begin_user_code();
    run_closure(self);
    worker = current_worker();
    worker->enter();
    if (self.join && self.join->finish()) {
        worker->leave();
        delete self.join;
        worker = current_worker();
        worker->enter();
    }
    worker->switch_away(After::ended);
    fatal("a fiber that ended was continued");
}

}  // namespace

std::atomic<Scheduler*> Scheduler::s_active{nullptr};

Scheduler::Scheduler(const Config& given)
    : config(Rehearsal::as_possible(given)),
      cpus(os::allowed_cpus()),
      nice(os::nice_value()),
      stacks(given.stack_bytes),
      fibers(stacks),
      io(given, given.workers != 0 ? given.workers : os::available_cpus()),
      rehearsal(Rehearsal::is_wanted(config) ? std::make_unique<Rehearsal>(config) : nullptr),
      blocking_gate(given.max_threads, given.workers != 0 ? given.workers : os::available_cpus()),
      reserved_threads_(std::min(k_reserved_per_worker * (given.workers != 0 ? given.workers : os::available_cpus()),
                                 given.max_threads / 4)) {
    const unsigned count = config.workers != 0 ? config.workers : os::available_cpus();
    // Those in the caches of other processors are out of reach of who needs one.
    if (!stacks.reserve(count * decltype(Processor::stacks)::k_capacity))
        fatal("no address space for the stacks of fibers: check `ulimit -v`");
    for (unsigned i = 0; i < count; ++i) {
        processors.push_back(std::make_unique<Processor>(i, count == 1, rehearsal ? &global : nullptr, io.engine(i)));
        // Making stacks waits for the process's memory map, which user code may keep busy later.
        processors.back()->stacks.fill(stacks);
    }
    // Only a runtime that is meant to fill all CPUs has one for each processor; others leave the choice to the kernel.
    if (!cpus.empty() && count == cpus.size())
        for (unsigned i = 0; i < count; ++i) processors[i]->home_cpu = cpus[i];
    enable_light_barriers();
    monitor = std::make_unique<Monitor>(*this);
    install_preemption(config);
    Scheduler* none = nullptr;
    if (!s_active.compare_exchange_strong(none, this)) fatal("run() is active already: one runtime per process");
    watch_forks();
    forget_fork();
    for (auto& processor : processors) {
        Worker* worker = start_worker();
        if (!worker) fatal("cannot start worker threads: check `ulimit -u` and the control group's pids.max");
        worker->give(*processor, nullptr, Wake::anywhere);
    }
    refill_spares();
    housekeeper.start();
    monitor->start();
}

Scheduler::~Scheduler() {
    for (auto& processor : processors) processor->join_blocks.give_all(join_blocks);
    Scheduler* self = this;
    s_active.compare_exchange_strong(self, nullptr);
}

bool Scheduler::wait_for_fibers(std::int64_t deadline_ns) {
    std::int64_t next_round_ns = 0;
    while (live_fibers() != 0) {
        const std::int64_t now = monotonic_ns();
        if (now >= deadline_ns) return false;
        if (now >= next_round_ns) {
            for_each_fiber([this](Fiber& fiber) {
                if (fiber.state.cancel(FiberState::mark_cancelled)) make_runnable(fiber);
            });
            next_round_ns = now + 50'000'000;  // fibers that were being made slip through a round
        }
        nap();
    }
    return true;
}

bool Scheduler::wait_for_threads(std::int64_t deadline_ns) {
    for (;;) {
        for (auto& processor : processors) processor->io.wake();
        bool all_exited = true;
        for_each_worker([&](Worker& worker) {
            worker.wake_to_end();
            all_exited = all_exited && worker.has_ended.load(std::memory_order_acquire);
        });
        if (all_exited || monotonic_ns() >= deadline_ns) return all_exited;
        nap();
    }
}

bool Scheduler::shut_down() {
    if (config.on_leaks != OnLeaks::off) report_leaks(*this);
    cancels_new_fibers.store(true, std::memory_order_seq_cst);
    const bool all_ended = wait_for_fibers(monotonic_ns() + config.shutdown_grace.count());
    if (!all_ended) {
        warn("run: %llu fibers did not end within the grace of %lld ms after main returned; they are abandoned:",
             static_cast<unsigned long long>(live_fibers()), static_cast<long long>(config.shutdown_grace.count() / 1'000'000));
        dump_all(*this, 2);
    }
    is_stopping_.store(true, std::memory_order_seq_cst);
    // While the monitor runs it stops what still computes, and may start threads for that.
    if (!all_ended) wait_for_threads(monotonic_ns() + 100'000'000);
    monitor->stop();
    housekeeper.stop();
    const bool all_exited = wait_for_threads(monotonic_ns() + (all_ended ? 10'000'000'000 : 10'000'000));
    for_each_worker([](Worker& worker) {
        if (worker.has_ended.load(std::memory_order_acquire))
            pthread_join(worker.thread, nullptr);
        else
            pthread_detach(worker.thread);
    });
    if (rehearsal) Rehearsal::turn_off();
    Scheduler* self = this;
    s_active.compare_exchange_strong(self, nullptr);
    while (visits_.load(std::memory_order_acquire) != 0) nap();
    if (all_exited && !all_ended)
        for_each_fiber([](Fiber& fiber) {
            delete fiber.belongings.exchange(nullptr, std::memory_order_relaxed);  // locals are lost, like all that it owned
            if (fiber.has_begun) context::forget_frames(fiber.side);
        });
    return all_exited;
}

std::uint64_t Scheduler::live_fibers() const {
    // Ended first: a fiber may start and end between the two sums, never end before it started.
    std::uint64_t ended = 0;
    std::uint64_t started = 0;
    for (auto& processor : processors) ended += processor->counters.fibers_ended.value();
    full_barrier();
    for (auto& processor : processors) started += processor->counters.fibers_started.value();
    return started + started_outside_.load(std::memory_order_acquire) - ended;
}

// --- fibers -----------------------------------------------------------------------------------------------------------

context::StackPool& Scheduler::pool_of(std::size_t stack_bytes) {
    SpinGuard guard(other_pools_lock_);
    auto& pool = other_pools_[stack_bytes];
    if (!pool) pool = std::make_unique<context::StackPool>(stack_bytes);
    return *pool;
}

inline Fiber* Scheduler::take_record(Processor* processor) {
    Fiber* record = nullptr;
    if (!processor) {
        fibers.take(&record, 1);
        return record;
    }
    record = processor->records.take(fibers);
    if (Fiber* const* later = processor->records.peek(k_ahead - 1)) fetch_lines(*later, sizeof(Fiber) / 64);
    return record;
}

inline context::Stack Scheduler::take_stack(Processor* processor) {
    context::Stack stack;
    if (!processor) {
        stacks.take(&stack, 1);
        return stack;
    }
    const bool is_refilled = processor->stacks.size() == 0;
    stack = processor->stacks.take(stacks);
    processor->fetch_stacks.look(processor->stacks, is_refilled);
    return stack;
}

Fiber* Scheduler::create(std::string_view name, std::size_t stack_bytes) {
    Worker* worker = current_worker();
    Processor* processor = worker ? worker->processor() : nullptr;
    const Fiber* maker = worker ? worker->current_fiber() : nullptr;
    Fiber* fiber = take_record(processor);
    if (!fiber) [[unlikely]]
        return nullptr;
    fiber->renew(cancels_new_fibers.load(std::memory_order_relaxed));
    const bool is_plain = name.empty() && (stack_bytes == 0 || stack_bytes == config.stack_bytes) && !(maker && maker->bequeaths);
    if (!is_plain && !fit_out(*fiber, processor, name, stack_bytes, maker)) [[unlikely]] {
        fibers.give(&fiber, 1);
        return nullptr;
    }
    if (!processor) [[unlikely]] {
        fiber->id = outside_id_.fetch_add(1, std::memory_order_relaxed);
        fiber->since_ns = monotonic_ns();
        started_outside_.fetch_add(1, std::memory_order_release);
        return fiber;
    }
    if (processor->next_fiber_id == processor->last_fiber_id) [[unlikely]] {
        processor->next_fiber_id = outside_id_.fetch_add(k_id_block, std::memory_order_relaxed);
        processor->last_fiber_id = processor->next_fiber_id + k_id_block;
    }
    fiber->id = processor->next_fiber_id++;
    // The processor's clock may be older than the shortage.
    fiber->since_ns = is_short_of_threads() ? monotonic_ns() : processor->now_ns;
    processor->counters.fibers_started.add();
    if (may_give_way(maker)) processor->count_start();
    return fiber;
}

bool Scheduler::fit_out(Fiber& fiber, Processor* processor, std::string_view name, std::size_t stack_bytes, const Fiber* maker) {
    if (stack_bytes != 0 && stack_bytes != config.stack_bytes) {
        context::StackPool& pool = pool_of(stack_bytes);
        context::Stack stack;
        if (pool.take(&stack, 1) == 0) return false;
        give_stack(fiber, stack, pool);
    }
    StackHead& head = with_stack(fiber, processor);
    if (!name.empty()) {
        const std::size_t length = std::min(name.size(), Fiber::k_name_bytes - 1);
        memcpy(head.name, name.data(), length);
        head.name[length] = '\0';
        fiber.bequeaths = true;
    }
    if (maker && maker->bequeaths) inherit(fiber, *maker);
    return true;
}

inline void Scheduler::give_stack(Fiber& fiber, const context::Stack& stack, context::StackPool& pool) {
    StackHead& head = *StackHead::of(stack);
    head.stack = stack;
    head.pool = &pool;
    head.frames_top = reinterpret_cast<std::byte*>(&head);
    head.group.store(nullptr, std::memory_order_relaxed);
    head.name[0] = '\0';
    fiber.head.store(&head, std::memory_order_release);
}

inline StackHead& Scheduler::with_stack(Fiber& fiber, Processor* processor) {
    if (StackHead* head = fiber.head.load(std::memory_order_relaxed)) return *head;
    const context::Stack stack = take_stack(processor);
    if (!stack) fatal("no stack for a fiber, though one was reserved");  // FiberPool's I3
    give_stack(fiber, stack, stacks);
    return fiber.its_head();
}

void* Scheduler::room_on_stack(Fiber& fiber, std::size_t bytes, std::size_t alignment) {
    Worker* worker = current_worker();
    StackHead& head = with_stack(fiber, worker ? worker->processor() : nullptr);
    auto below = reinterpret_cast<std::uintptr_t>(&head) - bytes;
    below &= ~(std::max<std::uintptr_t>(alignment, 16) - 1);
    head.frames_top = reinterpret_cast<std::byte*>(below);
    return head.frames_top;
}

void Scheduler::begin(Processor& processor, Fiber& fiber) {
    const StackHead& head = with_stack(fiber, &processor);
    context::prepare(fiber.side, head.stack.bottom, head.frames_top, fiber_main);
    fiber.has_begun = true;
}

void Scheduler::make_runnable(Fiber& fiber) {
    if (Worker* keeper = fiber.held_by.load(std::memory_order_relaxed)) [[unlikely]] {
        const Visit visit(*this);
        keeper->resume_pinned();
        return;
    }
    start(fiber);
}

void Scheduler::start(Fiber& fiber) {
    Worker* worker = current_worker();
    Processor* mine = worker && worker->depth() > 0 ? worker->processor() : nullptr;
    if (!mine) [[unlikely]]
        return start_elsewhere(fiber);
    fiber.phase.store(Phase::runnable, std::memory_order_release);
    mine->queue.push(fiber);
    // poll() announces all it found at once. Little work is done sooner by this worker than by one that must be woken;
    // should this one not get to it after all, the monitor wakes another.
    if (!worker->is_polling() && mine->has_work_to_share()) notify_work();
}

void Scheduler::start_elsewhere(Fiber& fiber) {
    const Visit visit(*this);  // by a plain thread, perhaps
    fiber.phase.store(Phase::runnable, std::memory_order_release);
    global.push(fiber);
    notify_work();
}

void Scheduler::recycle(Processor& processor, Fiber& fiber) {
    context::retire(fiber.side);
    const StackHead& head = fiber.its_head();
    const context::Stack stack = head.stack;
    context::StackPool* pool = head.pool;
    fiber.phase.store(Phase::free, std::memory_order_release);
    processor.counters.fibers_ended.add();
    processor.records.give(&fiber, fibers);
    if (pool == &stacks)
        processor.stacks.give(stack, stacks);
    else
        pool->give(&stack, 1);
}

void Scheduler::notify_work() {
    full_barrier();  // Idle's O1: between (a) and (b)
    if (idle.count() == 0) monitor->note_work();
    wake_idle();
}

void Scheduler::wake_idle() {
    if (idle.count() == 0 || idle.searching() != 0) return;
    Processor* processor = idle.pop();
    if (!processor) return;
    idle.begin_search();
    processor->io.wake();
}

// --- threads ----------------------------------------------------------------------------------------------------------

unsigned Scheduler::free_threads() const {
    const unsigned room = config.max_threads - std::min(config.max_threads, thread_count());
    return room + spare_count_.load(std::memory_order_relaxed);
}

void Scheduler::note_free_threads() {
    // It ends later than it began: spares come and go all the time, and a new beginning makes new fibers old.
    const bool was_short = is_short_.load(std::memory_order_relaxed);
    const bool is_short = free_threads() <= (was_short ? 2 * reserved_threads_ : reserved_threads_);
    if (is_short == was_short) return;
    if (is_short) short_since_ns_.store(monotonic_ns(), std::memory_order_relaxed);
    is_short_.store(is_short, std::memory_order_relaxed);
}

bool Scheduler::postpones(Fiber& fiber) {
    if (!is_short_of_threads() || fiber.has_begun) return false;
    const bool is_new = fiber.since_ns > short_since_ns_.load(std::memory_order_relaxed);
    if (is_new && starts_new(0)) return false;
    (is_new ? new_backlog_ : backlog_).push(fiber);
    return true;
}

Fiber* Scheduler::pop_global() {
    Fiber* found = pop_runnable();
    while (found && postpones(*found)) found = pop_runnable();
    if (!found && !new_backlog_.is_empty() && starts_new(0)) found = new_backlog_.pop();
    if (!found && !is_short_of_threads()) found = backlog_.pop();
    return found;
}

Worker* Scheduler::pop_spare() {
    SpinGuard guard(spares_lock_);
    Worker* worker = spares_;
    if (!worker) return nullptr;
    spares_ = worker->next_spare;
    spare_count_.fetch_sub(1, std::memory_order_relaxed);
    return worker;
}

Worker* Scheduler::take_spare(Spare which) {
    if (which == Spare::unreserved && is_short_of_threads()) return nullptr;
    Worker* worker = pop_spare();
    if (!worker && !config.preemption) worker = start_worker();  // there is no monitor that would try again
    note_free_threads();
    if (spare_count_.load(std::memory_order_relaxed) < processors.size()) housekeeper.ask_for(Housekeeper::spares);
    return worker;
}

void Scheduler::refill_spares() {
    while (!is_stopping() && spare_count_.load(std::memory_order_relaxed) < k_waiting_spares * processors.size()) {
        if (thread_count() >= config.max_threads && spare_count_.load(std::memory_order_relaxed) != 0) return;
        Worker* worker = start_worker();
        if (!worker) return;
        put_spare(*worker);
    }
}

Worker* Scheduler::start_worker() {
    if (thread_count() >= config.max_threads) {
        if (!cap_was_reported_.exchange(true))
            warn("the cap of %u threads is reached (Config::max_threads, REEVE_MAX_THREADS): fibers that compute or "
                 "block in the kernel now delay others", config.max_threads);
        return nullptr;
    }
    const unsigned number = thread_count_.fetch_add(1, std::memory_order_relaxed);
    auto worker = std::make_unique<Worker>(*this);
    char name[16];
    snprintf(name, sizeof name, "reeve-%u", number);
    const int error = os::start_thread(
        worker->thread, name, preempt_signal(config), [](void* raw) { static_cast<Worker*>(raw)->main(); }, worker.get());
    if (error != 0) {
        thread_count_.fetch_sub(1, std::memory_order_relaxed);
        if (!cap_was_reported_.exchange(true))
            warn("cannot start another thread (errno %d): check `ulimit -u` and the control group's pids.max", error);
        return nullptr;
    }
    SpinGuard guard(workers_lock_);
    workers_.push_back(std::move(worker));
    return workers_.back().get();
}

void Scheduler::put_spare(Worker& worker) {
    {
        SpinGuard guard(spares_lock_);
        worker.next_spare = spares_;
        spares_ = &worker;
        spare_count_.fetch_add(1, std::memory_order_relaxed);
        note_free_threads();
    }
    if (has_backlog_to_start()) notify_work();  // whoever got this worker's processor may sleep by now
}

}  // namespace reeve::sched
