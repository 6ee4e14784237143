// Operation: one kernel request of a parked fiber (or plain thread), and its cancellation.
//
// Idea. The request lies on the waiting stack; its address is the user_data of the completion. perform() queues it on the
// engine of the current processor, parks, and returns the result. When the wait ends first (deadline, cancellation), the
// kernel is told to cancel the request and the fiber waits on, not cancellable now, for the completion: no buffer is
// written after perform() has returned. A plain thread has no engine: it blocks (thread_io.cpp).
//
// Callers. perform, watch, unwatch: fibers, inside an Entry. complete, cancel_pending: the holder of the processor.
//
// I1  An operation is done exactly once, by complete(); its memory is valid until then.
// I2  After done, it is in no list: perform() unlinks it from `cancels` under that list's lock.
//
// Orderings. `lock` guards done, result and the wait they wake: a waiter whose wait was claimed by another reads done
// under it and opens a second wait under it, so the completion either is seen or finds that wait.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/os/io_engine.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {

struct Processor;

struct Operation : ListNode<Operation> {
    SpinLock lock;
    bool done = false;
    std::int32_t result = 0;
    Waiter* waiter = nullptr;            // whom complete() wakes, if it can claim the wait
    Processor* processor = nullptr;      // whose engine has the request
    void (*on_done)(Operation&) = nullptr;  // called by complete() instead of waking, under `lock`
    os::Pending pending;                 // the engine's
};

// Where a descriptor says that it is being closed.
struct Closing {
    const std::atomic<std::uint64_t>& word;
    std::uint64_t bit;
    bool needs_cancel;  // who closes cancels what the kernel has; otherwise closing itself ends it, whenever it comes

    [[nodiscard]] bool is_set() const { return (word.load(std::memory_order_relaxed) & bit) != 0; }
};

// The system call's result or -errno; -ETIME or -ECANCELED when the wait ended before the request did. Work that the kernel
// has begun in a thread of its own (a file's reads, say) may have to run to its end first, and then counts as done.
// `closing`: where it needs a cancel, the request is passed on at once, and if the descriptor was closed meanwhile it is
// cancelled from here.
[[nodiscard]] std::int32_t perform(const os::Request& request, Deadline deadline, const char* reason,
                                   const Closing* closing = nullptr);

// Starts a request whose completion calls operation.on_done(). unwatch() cancels it and waits until it is done.
void watch(Operation& operation, os::Request request);
void unwatch(Operation& operation);

// The holder of the processor: hand a completion to its operation; send what others asked to be cancelled.
void complete(const os::Completion& completion);
void cancel_pending(Processor& processor);

}  // namespace reeve::sched
