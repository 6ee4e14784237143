// The worker of the calling OS thread: the one thread-local of the project.
//
// A fiber may continue on another thread after any call that parks, and compilers may keep the address of a thread-local
// across such a call. So the address never leaves this file: the accessor is not inlined and the compiler may not assume
// that two calls return the same. Signal-safe (initial-exec storage, no allocation).
#pragma once

namespace reeve::sched {

class Worker;
struct ThreadParkable;

[[nodiscard]] Worker* current_worker();  // null on threads that are not workers
void set_current_worker(Worker* worker);

// What stands for a plain OS thread when it waits.
[[nodiscard]] ThreadParkable& current_thread_parkable();

}  // namespace reeve::sched
