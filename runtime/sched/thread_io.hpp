// A Request from wherever the caller is: a fiber parks until the ring has done it, a plain OS thread blocks.
//
// Idea. A plain thread has no ring: it waits in poll(2) until the descriptor is ready, then makes the system call. What
// concerns files takes its time whatever is asked, so a plain thread's deadline ends only what waits for somebody else.
//
// Callers: fibers and plain threads, in user code. May park.
#pragma once

#include "runtime/base/time.hpp"
#include "runtime/os/ring.hpp"
#include "runtime/sched/poller.hpp"

namespace reeve::sched {

// As perform().
[[nodiscard]] long perform_anywhere(const os::Request& request, Deadline deadline, const char* reason,
                                    const Closing* closing = nullptr);

}  // namespace reeve::sched
