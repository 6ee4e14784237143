// Housekeeper: the OS thread for work that may block: starting threads, giving stacks back, reading the code map, printing.
//
// Idea. Each of these needs locks of the kernel or the C library (the process's memory map above all) that user code may hold
// for milliseconds, and the monitor, which runs before everybody else, must never wait for one. So the monitor and the workers
// only say what is wanted, and this thread, of ordinary priority, does it.
//
// Callers: ask_for, any thread, signal-safe; the rest the scheduler.
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>

#include "runtime/os/futex.hpp"

namespace reeve::sched {

class Scheduler;

class Housekeeper {
public:
    enum Task : std::uint32_t {
        spares = 1,      // threads, up to as many as should wait
        stacks = 2,      // give pages of free stacks back to the kernel, as long as there are any
        code_map = 8,
        dump = 16,
        trace = 32,
        deadlock = 64,   // look for one
        circles = 128,   // look for fibers that wait for each other in a circle
    };

    explicit Housekeeper(Scheduler& scheduler) : scheduler_(scheduler) {}

    void start();
    void stop();

    void ask_for(Task task) {
        if ((wanted_.fetch_or(task, std::memory_order_acq_rel) & task) == 0) parker_.wake();
    }

private:
    void main();

    Scheduler& scheduler_;
    pthread_t thread_{};
    os::Parker parker_;
    std::atomic<std::uint32_t> wanted_{0};
    std::atomic<bool> is_stopping_{false};
};

}  // namespace reeve::sched
