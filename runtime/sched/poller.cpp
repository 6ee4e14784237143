#include "runtime/sched/poller.hpp"

#include <cerrno>

#include "runtime/base/barrier.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {
namespace {

constexpr std::int32_t k_restart = 512;  // ERESTARTSYS: what the kernel's own threads make of EINTR

void queue_request(Operation& operation, os::Request request) {
    operation.processor = current_worker()->processor();
    request.user_data = reinterpret_cast<std::uint64_t>(&operation);
    request.pending = &operation.pending;
    if (operation.processor->io.push(request)) operation.processor->counters.submits.add();
}

// lock held: cancels_lock, or the caller is the operation's own fiber.
void push_cancel(Processor& processor, Operation& operation) {
    processor.io.push({.opcode = os::Opcode::cancel,
                       .user_data = reinterpret_cast<std::uint64_t>(&operation),
                       .pending = &operation.pending});
}

// The engine belongs to the holder of its processor. If that is somebody else, he is asked; a holder that computes will be
// made to look by the monitor, which counts has_cancels as work that waits.
void request_cancel(Operation& operation) {
    Processor& owner = *operation.processor;
    if (current_worker()->processor() == &owner) {
        push_cancel(owner, operation);
        return;
    }
    {
        SpinGuard guard(owner.cancels_lock);
        owner.cancels.push_back(operation);
    }
    owner.has_cancels.store(true, std::memory_order_seq_cst);  // pairs with is_idle in Worker::sleep
    if (owner.is_idle.load(std::memory_order_seq_cst)) owner.io.wake();
}

void withdraw_cancel(Operation& operation) {
    SpinGuard guard(operation.processor->cancels_lock);
    if (operation.is_linked) operation.processor->cancels.remove(operation);
}

// Cancels, and waits for the completion however long it takes: the kernel may write to the buffer until then.
void cancel_and_wait(Operation& operation, const char* reason) {
    request_cancel(operation);
    Wait wait(reason, Cancellable::no);
    bool done;
    {
        SpinGuard guard(operation.lock);
        done = operation.done;
        operation.waiter = &*wait;
        operation.on_done = nullptr;
    }
    if (done && wait->claim(Outcome::ready)) wait->ready();
    (void)wait.park(Deadline::never());
    withdraw_cancel(operation);
}

}  // namespace

std::int32_t perform(const os::Request& request, Deadline deadline, const char* reason, const Closing* closing) {
    Operation operation;
    operation.pending.request = &request;
    Outcome outcome;
    {
        Wait wait(reason);
        if (wait.is_over()) return (void)wait.park(deadline), -ECANCELED;
        operation.waiter = &*wait;
        queue_request(operation, request);
        if (closing && closing->needs_cancel) {
            if (operation.processor->io.has_unsubmitted()) {
                operation.processor->io.submit();
                operation.processor->counters.submits.add();
            }
            full_barrier();  // pairs with Fd::close(), which sets the bit and then cancels
            if (closing->is_set()) request_cancel(operation);
        }
        outcome = wait.park(deadline);
        if (outcome == Outcome::ready) return operation.result;
        SpinGuard guard(operation.lock);
        operation.waiter = nullptr;  // it goes away, and whoever completes this must not look at it
    }
    cancel_and_wait(operation, reason);
    // It may have finished just before it could be cancelled: then what it did counts.
    if (operation.result != -ECANCELED && operation.result != -EINTR && operation.result != -k_restart) return operation.result;
    return outcome == Outcome::timed_out ? -ETIME : -ECANCELED;
}

void watch(Operation& operation, os::Request request) { queue_request(operation, request); }

void unwatch(Operation& operation) {
    bool done;
    {
        SpinGuard guard(operation.lock);
        done = operation.done;
        operation.on_done = nullptr;
    }
    if (!done) cancel_and_wait(operation, "letting go of a poll");
}

void complete(const os::Completion& completion) {
    auto& operation = *reinterpret_cast<Operation*>(completion.user_data);
    Waiter* woken = nullptr;
    {
        SpinGuard guard(operation.lock);
        operation.result = completion.result;
        operation.done = true;
        if (operation.on_done)
            operation.on_done(operation);
        else if (operation.waiter && operation.waiter->claim(Outcome::ready))
            woken = operation.waiter;
    }
    if (woken) woken->ready();
}

void cancel_pending(Processor& processor) {
    processor.has_cancels.store(false, std::memory_order_seq_cst);
    SpinGuard guard(processor.cancels_lock);
    while (Operation* operation = processor.cancels.pop_front()) push_cancel(processor, *operation);
}

}  // namespace reeve::sched
