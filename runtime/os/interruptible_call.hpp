// A system call that another thread can end, whenever it comes: the call has not begun, has done nothing, or is complete.
//
// Idea. musl's cancellation points. A word says that the call is to be given up. It is read by the instruction before the
// system call; a signal handler that interrupts between the two, or whose end would have the kernel make the call again,
// goes to the place that returns -EINTR instead. So whoever sets the word and then sends the signal ends the call, and a
// call that has done something says so. (Setting a flag and sending a signal without such care is lost in between.)
//
// Under ThreadSanitizer, which holds signals back until the call is over, it cannot be ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <ucontext.h>

namespace reeve::os {

struct Request;

// As system_call(), or -EINTR when `gives_up` is not 0. Only what waits for somebody else can be ended: open, read, write,
// accept and connect. Of a write of several parts what was done counts. Any thread.
[[nodiscard]] long interruptible_system_call(const Request& request, const std::atomic<std::uint32_t>& gives_up);

// A signal handler, for what it has interrupted. Signal-safe.
void give_up_interrupted_call(ucontext_t& context);

}  // namespace reeve::os
