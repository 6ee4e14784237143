// JoinCore: what a spawned fiber and its Join share: the wait of the one for the end of the other.
//
// Idea. There are two parties, and each touches it for a last time: the fiber when it has ended, the Join when it was joined or
// detached. Whoever comes second destroys it. A fiber that nobody joins any more has been told so under the lock; else the
// store of is_done_ is its last touch, which the Join waits for. So neither counts references, and what the Join finds done
// costs it one load.
//
// Callers. finish: the fiber's worker, in the runtime, its closure and belongings being destroyed. All else: the holder of the
// Join, a fiber or a plain thread. Not signal-safe.
//
// I1  fiber_ is set until finish(): whoever sees it under the lock may cancel the fiber.
// I2  waiter_ is who holds the Join, while his wait with epoch_ may be open; there is at most one.
// I3  Once is_done_ is set the fiber's side touches nothing any more. Once is_released_ is, the Join's side.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>

#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/fiber_state.hpp"

namespace reeve::sched {

struct Fiber;
struct Parkable;

class JoinCore {
public:
    virtual ~JoinCore() = default;
    // From the processor's blocks (join_blocks.hpp) where it fits into one. new: inside an Entry; std::bad_alloc.
    static void* operator new(std::size_t bytes);
    static void operator delete(void* memory, std::size_t bytes);

    void bind(Fiber& fiber);                // before it starts
    // True: the caller must destroy it, in user code, for it holds what the closure returned.
    [[nodiscard]] bool finish();
    void wait();                            // may park; passes a cancellation on
    void cancel();
    [[nodiscard]] bool is_done() const { return is_done_.load(std::memory_order_acquire); }
    void release();

    std::exception_ptr error;  // thrown by the closure

private:
    [[nodiscard]] bool wait_once(bool is_cancellable);

    // Guarded by lock_, all but is_done_:
    Fiber* fiber_ = nullptr;
    Parkable* waiter_ = nullptr;
    FiberState::Epoch epoch_ = 0;
    SpinLock lock_;
    bool is_released_ = false;
    std::atomic<bool> is_done_{false};
};

}  // namespace reeve::sched
