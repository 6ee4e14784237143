// Entry: "in the runtime", for the length of a scope. Every call of the runtime begins and ends with one.
//
// Idea. While a worker is in the runtime its processor cannot be taken and its fiber is not stopped. Entering is where it learns
// that its processor was taken, and waits for another; leaving is where a slice that is over ends. Both are rare, and nearly every
// call pays for the looking: so what is looked at, of a worker and of its processor, lies here and is inline, a dozen instructions
// each way. What is done in the rare cases is the worker's (worker.cpp).
//
// Entry nests; it is free of effect on plain threads, and signal handlers have no use for it. After anything that parks the worker
// may have changed: the Entry holds on. The methods of WorkerEntry are called by its own thread, from user code or nested.
//
// I1  depth is raised before the processor's word is asked for, and lowered after it was given back: depth 0 means no lock of the
//     runtime is held by this thread. The signal handler may interrupt anything; it looks at depth first.
// I2  depth > 0 means that the processor is held, but for a detached worker on its way to another.
#pragma once

#include <atomic>

#include "runtime/base/point.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/processor_word.hpp"

namespace reeve::sched {

// Of a processor: its first base.
struct ProcessorEntry {
    ProcessorWord word;
    std::atomic<bool> is_overdue{false};  // set by the monitor, or to give way: end the slice at the next chance
};

// Of a worker: its first base.
class WorkerEntry {
public:
    void enter() {
        const unsigned depth = depth_.load(std::memory_order_relaxed);
        depth_.store(depth + 1, std::memory_order_relaxed);
        if (depth == 0) [[likely]] {
            std::atomic_signal_fence(std::memory_order_seq_cst);  // I1
            if (!try_claim()) [[unlikely]]
                await_another();
        }
    }
    void leave() { leave_from(depth()); }
    // leave() for the end of a call: if the slice is over and this leaves the runtime, the fiber yields first.
    void leave_or_yield() {
        const unsigned from = depth();
        if (from == 1 && processor_.load(std::memory_order_relaxed)->is_overdue.load(std::memory_order_relaxed)) [[unlikely]]
            return leave_overdue();
        leave_from(from);
    }

    [[nodiscard]] unsigned depth() const { return depth_.load(std::memory_order_relaxed); }

protected:
    [[nodiscard]] bool try_claim() {
        ProcessorEntry* mine = processor_.load(std::memory_order_relaxed);
        return mine && mine->word.enter(claim_);
    }

    std::atomic<ProcessorEntry*> processor_{nullptr};
    Claim claim_;                     // on the processor
    std::atomic<unsigned> depth_{1};  // scheduler and start-up code is in the runtime

private:
    void leave_from(unsigned depth) {
        if (depth == 1) [[likely]] {
            processor_.load(std::memory_order_relaxed)->word.leave(claim_);
            std::atomic_signal_fence(std::memory_order_seq_cst);  // I1
        }
        depth_.store(depth - 1, std::memory_order_relaxed);
    }
    void await_another();  // processor
    void leave_overdue();
};

class [[nodiscard]] Entry {
public:
#ifdef REEVE_MODELS_ENTRY
    Entry();
    ~Entry();
#else
    Entry() {
        schedule_point(Place::outside);
        if (WorkerEntry* worker = current_worker_entry()) worker->enter();
    }
    ~Entry() {
        if (WorkerEntry* worker = current_worker_entry()) worker->leave_or_yield();
        schedule_point(Place::outside);
    }
#endif
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
};

}  // namespace reeve::sched
