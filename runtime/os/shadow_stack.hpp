// Shadow stacks (x86's CET, Linux 6.6): a second stack of return addresses, kept by the processor, one per thread.
//
// A switch between fibers would need one per fiber, and a switch of both: Boost.Context's knows of none, so the first return
// on a fiber's stack would end the process with SIGSEGV. The C library enables them at the start of a program that asks for
// it (GLIBC_TUNABLES) and is marked, with all its libraries, as fit for them; this library's objects are not marked
// (meson.build), so that a program it is linked into is not. What is left: whoever enables them by hand.
#pragma once

namespace reeve::os {

// Ends the process, with a reason, when the calling thread has one: threads inherit it from their maker.
void refuse_shadow_stack();

}  // namespace reeve::os
