// Stopping a fiber that computes: the signal handler and what it may do.
//
// Idea. The handler gives the processor to the worker that the monitor named, if it was not taken already, and parks the
// thread where it stands, with its fiber, in the queue of the preempted; when a processor comes the handler returns and
// the code goes on as after any interrupt. Nobody depends on the signal: without it the monitor takes the processor, and
// one thread more is busy. Nothing is switched under the fiber's
// feet: locks, thread-locals, errno, exceptions in flight stay with their thread. (KLT-switching, Shiina et al., PPoPP 2021,
// without its free-running timers.)
//
// The handler does nothing but change words, push one node with a compare-exchange, and wake and sleep by futex: no
// allocation, no lock, no C++ runtime. Code it interrupted may hold any lock of any library, but none of the runtime
// (Worker's I2).
//
// Where a thread is not parked, because others would wait for it, is in stop_check.hpp. There it goes on, and a timer asks it
// again and again, every 15 us: most calls of libraries are shorter. Only then does it give its processor away and runs
// on without one, until the monitor asks again.
#pragma once

#include <pthread.h>

namespace reeve {
struct Config;
}

namespace reeve::sched {

class Worker;

// Installs the handlers (preemption, stack overflow); idempotent. A handler that was there before is called for signals
// that are not ours.
void install_preemption(const Config& config);
[[nodiscard]] int preempt_signal(const Config& config);

// Asks a detached worker to stop, unless it was asked already. Any thread.
void signal_worker(Worker& worker, int signal);

}  // namespace reeve::sched
