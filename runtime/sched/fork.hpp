// What fork() leaves of the runtime in the child: nothing but the knowledge that it is gone.
//
// Idea. The child has the forking thread only: no monitor, no workers, and rings that are the parent's. It may exec or _exit.
// Whatever it asks of the runtime ends it with a reason, instead of hanging or disturbing the parent: its fiber has lost
// its processor, so that every entry takes the slow path, and no runtime is active there. run() in the child of a plain
// thread starts a new one.
#pragma once

#include <atomic>

namespace reeve::sched {

// Before the first run(); idempotent.
void watch_forks();
extern std::atomic<bool> s_is_forked;
[[noreturn, gnu::cold]] void die_of_fork();
// Ends the process if it is the child of a process with fibers. Before anything that would wait.
inline void die_if_forked() {
    if (s_is_forked.load(std::memory_order_relaxed)) [[unlikely]]
        die_of_fork();
}
// This is one: so from its first instruction on. By a system call; signal-safe.
[[nodiscard]] bool is_other_process();
// A new runtime is active here.
void forget_fork();

}  // namespace reeve::sched
