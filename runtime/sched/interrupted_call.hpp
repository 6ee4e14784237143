// A system call that sleeps and was ended by the preemption signal is made again, so that the program never sees EINTR of it.
//
// Idea. The monitor signals a thread only when it has just seen it compute; but the thread may begin to sleep before the
// signal comes. SA_RESTART does not help: the kernel ends nanosleep, poll, select, epoll_wait, timed waits for a futex and
// others for good. The handler, which knows that the signal is the runtime's own, sets the thread back to before the call.
// A relative time limit starts anew, so it grows by the microseconds since the call began; by more where a request of the thread
// completed and woke it: such a thread looks as if it computed.
//
// A call that waits for a signal (a mask of its own, sigsuspend, pause) is left alone: should a handler of the program have
// ended it a moment before, it must not wait again. So is a call whose number cannot be told, in glibc's syscall().
//
// Callers: the signal handler. Signal-safe.
#pragma once

#include <ucontext.h>

namespace reeve::sched {

// True: the thread slept in a system call, or was about to.
bool make_interrupted_call_again(ucontext_t& context);

}  // namespace reeve::sched
