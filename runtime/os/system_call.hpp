// The system call that does what a Request asks an engine for.
//
// For plain threads, which have no engine, for what a kernel's io_uring does not know, and for Epoll, which only says when
// something can be done. Any thread.
#pragma once

namespace reeve::os {

struct Request;

// The result, or -errno. It blocks the thread as long as it takes; only recv and send never wait. Never raises SIGPIPE where the
// kernel can leave it out (sockets; everything since Linux 6.18). Not for poll and cancel.
[[nodiscard]] long system_call(const Request& request);

// The same, but never waits for anybody, nor for a disk: -EAGAIN when it would have to. k_not_tried: only a call that may block
// can tell (a descriptor without O_NONBLOCK, of a kind that the kernel cannot try; a terminal, say). For read, write, recv, send,
// accept and connect.
inline constexpr long k_not_tried = -4096;
[[nodiscard]] long try_system_call(const Request& request);

// RWF_* that every write gets, here or in a ring. The first call may install a handler for SIGPIPE.
[[nodiscard]] int write_flags();

}  // namespace reeve::os
