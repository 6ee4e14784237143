// A Request from wherever the caller is: a fiber parks until it is done, a plain OS thread blocks.
//
// Idea. A ring does what it is asked; where the engine is Epoll the fiber does it itself (readiness.hpp). A plain
// thread waits in poll(2) until the descriptor is ready, then makes the system call. What concerns files takes its time whatever
// is asked, so a plain thread's deadline ends only what waits for somebody else.
//
// A socket that is shut down ends every poll(2) by itself; of other descriptors nothing tells a thread in there that they are being
// closed. So it waits for an eventfd of its own as well, and is in a list with it from before it looks at the Closing until it has
// left poll(2). Who closes marks first and walks the list then: under its lock, one of the two sees the other.
//
// Callers: fibers and plain threads, in user code. May park.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/time.hpp"
#include "runtime/os/io_engine.hpp"
#include "runtime/sched/poller.hpp"

namespace reeve::sched {

// As perform().
[[nodiscard]] long perform_anywhere(const os::Request& request, Deadline deadline, const char* reason,
                                    const Closing* closing = nullptr);

// Ends the waits of plain threads whose Closing has this word; it was marked before. Does not park.
void end_on_threads(const std::atomic<std::uint64_t>& word);

}  // namespace reeve::sched
