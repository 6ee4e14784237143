// A Request from wherever the caller is: a fiber parks until it is done, a plain OS thread blocks.
//
// Idea. A ring does what it is asked; where the engine is Epoll the fiber does it itself (readiness.hpp). A plain
// thread waits in poll(2) until the descriptor is ready, then makes the system call. What concerns files takes its time whatever
// is asked, so a plain thread's deadline ends only what waits for somebody else.
//
// Callers: fibers and plain threads, in user code. May park.
#pragma once

#include "runtime/base/time.hpp"
#include "runtime/os/io_engine.hpp"
#include "runtime/sched/poller.hpp"

namespace reeve::sched {

// As perform().
[[nodiscard]] long perform_anywhere(const os::Request& request, Deadline deadline, const char* reason,
                                    const Closing* closing = nullptr);

}  // namespace reeve::sched
