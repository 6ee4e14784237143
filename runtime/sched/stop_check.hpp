// Where a fiber that computes may be stopped, and why not.
//
// Idea. A stopped thread keeps whatever it holds. So it is not stopped where others would soon wait for it: in a library
// (libc, loader, libstdc++, OpenSSL ...) or called from one, since libraries have locks that nobody else sees; while an OS
// lock or the guard of a static initialiser is held; just behind a system call instruction, where it slept or was about to;
// on a stack that is not its fiber's, where a user's signal handler runs. A wrong answer costs latency, never correctness:
// the thread runs on without a processor and is asked again, or others wait until its turn comes.
//
// Callers: the signal handler, on the thread concerned, outside the runtime. Signal-safe.
#pragma once

#include <optional>
#include <ucontext.h>

#include "runtime/preemption.hpp"

namespace reeve::sched {

struct Fiber;

[[nodiscard]] std::optional<Refusal> why_not_stop(const Fiber& fiber, const ucontext_t& context);

}  // namespace reeve::sched
