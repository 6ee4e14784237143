// The system call that does what a Request asks a ring for.
//
// For plain threads, which have no ring, and for what a kernel's io_uring does not know. It blocks the thread as long as it
// takes; only recv and send never wait. Any thread.
#pragma once

namespace reeve::os {

struct Request;

// The result, or -errno. Never raises SIGPIPE where the kernel can leave it out (sockets; everything since Linux 6.18).
// Not for poll and cancel.
[[nodiscard]] long system_call(const Request& request);

}  // namespace reeve::os
