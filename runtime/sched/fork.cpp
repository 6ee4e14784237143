#include "runtime/sched/fork.hpp"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {

std::atomic<bool> s_is_forked{false};

namespace {

std::atomic<long> s_process{0};  // the one that has the runtime

long this_process() { return syscall(SYS_getpid); }

void after_fork_in_child() {
    if (!Scheduler::active()) return;
    s_is_forked.store(true, std::memory_order_relaxed);
    Scheduler::abandon_active();
    if (Worker* worker = current_worker()) worker->lose_processor();
}

}  // namespace

void watch_forks() {
    static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
    REEVE_CHECK(registered == 0);
}

bool is_other_process() { return s_process.load(std::memory_order_relaxed) != this_process(); }

void die_of_fork() {
    fatal("the child of fork() called the runtime, which only its parent has: let it exec or _exit, or use posix_spawn");
}

void forget_fork() {
    s_is_forked.store(false, std::memory_order_relaxed);
    s_process.store(this_process(), std::memory_order_relaxed);
}

}  // namespace reeve::sched
