// BlockingGate: how many fibers may be in blocking() at a time; the others wait their turn.
//
// Idea. Each call keeps a thread for as long as it takes. There are places for half of Config::max_threads less two per processor
// (one that runs, and one on its way to be a spare): so they never bring about a shortage of threads by themselves, nor keep one
// from ending (scheduler.hpp), and whoever would end them, a fiber perhaps, has a thread to run on. First come, first served; a
// fiber that waits keeps no thread, and a call inside a call has its place already.
//
// Callers: fibers, in the runtime.
//
// I1  Somebody waits only while all places are taken: who leaves hands his place to the first who waits.
// I2  Who gives up its wait was not handed a place: handing it over claims the wait.
#pragma once

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {

class BlockingRegion;
struct Fiber;

class BlockingGate {
public:
    BlockingGate(unsigned max_threads, unsigned processors);

    // May park.
    [[nodiscard]] Result<void> enter(BlockingRegion& region, const Fiber& fiber, Cancellable cancellable, Deadline deadline);
    void leave(BlockingRegion& region);

private:
    [[nodiscard]] bool has_place(const Fiber& fiber);

    const unsigned places_;
    SpinLock lock_;  // guards what follows
    unsigned taken_ = 0;
    List<BlockingRegion> regions_;  // that have places
    WaitQueue waiting_;
};

}  // namespace reeve::sched
