// OS threads as the runtime needs them: a name, an alternate signal stack, a CPU clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pthread.h>

namespace reeve::os {

// Starts a joinable thread; 0 or the errno (EAGAIN: out of threads or memory). It inherits the caller's signal mask,
// as user code and its child processes expect, with `open_signal` unblocked.
int start_thread(pthread_t& thread, const char* name, int open_signal, void (*body)(void*), void* argument);

// CPU time the thread has used, in ns; 0 when it is gone. About 0.4 us. Any thread.
[[nodiscard]] std::int64_t cpu_time_ns(pthread_t thread);
[[nodiscard]] int thread_id();

// Does a thread of this process compute, or wait for a CPU, at this moment, rather than sleep in the kernel? About 2 us. Any
// thread. True when it cannot be told.
[[nodiscard]] bool is_runnable(int thread_id);

// The calling thread sleeps, by the monotonic clock, whatever signals come.
void sleep_until(std::int64_t until_ns);

// Timers of the calling thread end on time: the default slack of 50 us is for battery life.
void sharpen_timers();

// Gives the calling thread an alternate signal stack, large enough for the machine's largest signal frame; for good.
void install_alternate_stack();

// The CPUs this process may use: the smaller of the affinity mask and the quota of its control group; at least 1.
[[nodiscard]] unsigned available_cpus();

}  // namespace reeve::os
