// Idle: which processors have nothing to do, and who must be woken when there is work.
//
// Idea. Go's and tokio's rule: at most a few workers search for work; whoever makes a fiber runnable wakes an idle
// processor only if nobody searches already, because a searcher will find it; whoever stops searching because he found
// work, being the last, wakes the next. An idle processor is one whose worker sleeps in its ring.
//
// Callers. Workers in the runtime and plain threads; not signal-safe; never parks.
//
// O1  Submitter: publish the fiber in a queue (a), then read the counters here (b). Going idle: add to the counters (c),
//     then look at all queues once more (d). a-b and c-d are separated by full barriers (seq_cst); otherwise both sides
//     could miss each other and a fiber would wait with a processor asleep.
// O2  Who finds something at (d) searches again, and so wakes the next when he has got it: several fibers may have been
//     published while he was the only searcher, whom their submitters relied on.
#pragma once

#include <atomic>
#include <vector>

#include "runtime/base/spin_lock.hpp"

namespace reeve::sched {

struct Processor;

class Idle {
public:
    // The worker of `processor` is about to sleep.
    void add(Processor& processor);
    // It woke up by itself. False: a waker has taken the processor off the list already.
    bool remove(Processor& processor);
    // Takes one that is to be woken, or null.
    Processor* pop();

    [[nodiscard]] int count() const { return count_.load(std::memory_order_seq_cst); }  // O1 (b)

    // Searching: looking into other processors' queues.
    [[nodiscard]] int searching() const { return searching_.load(std::memory_order_seq_cst); }  // O1 (b)
    void begin_search() { searching_.fetch_add(1, std::memory_order_seq_cst); }
    // True: this was the last searcher.
    bool end_search() { return searching_.fetch_sub(1, std::memory_order_seq_cst) == 1; }

private:
    SpinLock lock_;
    std::vector<Processor*> idle_;
    std::atomic<int> count_{0};
    std::atomic<int> searching_{0};
};

}  // namespace reeve::sched
