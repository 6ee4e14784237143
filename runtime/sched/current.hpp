// The worker of the calling OS thread: the one thread-local of the project.
//
// A fiber may continue on another thread after any call that parks, and compilers may keep the address of a thread-local
// across such a call. So no compiler ever sees that address: the variable is defined, read and written in assembly, two
// instructions each, and for the compiler no two reads are the same. Signal-safe (initial-exec storage, no allocation).
#pragma once

namespace reeve::sched {

class Worker;
class WorkerEntry;
struct ThreadParkable;

// Null on threads that are not workers. Of the same worker, for who knows Worker: current_worker() in worker.hpp.
#ifdef REEVE_MODELS_ENTRY
[[nodiscard]] WorkerEntry* current_worker_entry();
#else
[[nodiscard]] inline WorkerEntry* current_worker_entry() {
    WorkerEntry* entry;
    asm volatile("movq reeve_current_worker@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(entry) : : "memory");
    return entry;
}
#endif
void set_current_worker(WorkerEntry* worker);

// What stands for a plain OS thread when it waits.
[[nodiscard]] ThreadParkable& current_thread_parkable();

}  // namespace reeve::sched
