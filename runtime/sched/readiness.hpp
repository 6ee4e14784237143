// perform_by_readiness: a Request where the engine only says when a descriptor is ready (os/epoll.hpp).
//
// Idea. Go's netpoll. The fiber makes the system call itself, without blocking, and when it would have to wait it parks until
// the descriptor is ready, and tries again. So several may wait for one descriptor: who comes too late waits on. And no buffer
// can be touched after the call: nobody else ever had it.
//
// What the kernel cannot poll, files above all, is done by a thread (os/file_threads.hpp), unless the page cache has it already.
// A descriptor without O_NONBLOCK stays as it is, since it may be shared with other processes: RWF_NOWAIT and MSG_DONTWAIT say it
// for one call; where neither is known (accept, a terminal) a thread makes the call once it is ready.
//
// Callers: fibers, in user code. May park.
#pragma once

#include "runtime/base/time.hpp"
#include "runtime/os/file_threads.hpp"
#include "runtime/os/io_engine.hpp"
#include "runtime/sched/poller.hpp"

namespace reeve::sched {

// As perform().
[[nodiscard]] long perform_by_readiness(os::FileThreads& files, const os::Request& request, Deadline deadline, const char* reason,
                                        const Closing* closing);

// Between two attempts to connect to a Unix socket whose listener has no room.
inline constexpr std::int64_t k_backlog_pause_ns = 1'000'000;
// A fiber, in user code: 0, -ETIME or -ECANCELED.
[[nodiscard]] long pause_before_connect(Deadline deadline, const char* reason, const Closing* closing);

// The poll(2) events that say it can be tried; 0: it does not wait for readiness.
[[nodiscard]] std::uint32_t events_of(os::Opcode opcode);

}  // namespace reeve::sched
