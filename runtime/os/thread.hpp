// OS threads as the runtime needs them: a name, an alternate signal stack, a slice of the kernel, a CPU clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pthread.h>
#include <vector>

namespace reeve::os {

// Starts a joinable thread; 0 or the errno (EAGAIN: out of threads or memory). It inherits the caller's signal mask,
// as user code and its child processes expect, with `open_signal` unblocked.
int start_thread(pthread_t& thread, const char* name, int open_signal, void (*body)(void*), void* argument);

// CPU time the thread has used, in ns; 0 when it is gone. About 0.4 us. Any thread.
[[nodiscard]] std::int64_t cpu_time_ns(pthread_t thread);
[[nodiscard]] int thread_id();

// Asks the kernel to give the calling thread slices of this length (Linux 6.12; silently nothing before). Short slices
// mean early wake-ups beside busy threads.
void ask_for_slice(int thread_id, std::int64_t slice_ns);

// The CPUs the process may use, lowest first.
[[nodiscard]] std::vector<int> allowed_cpus();
// Keeps a thread on one CPU, or (-1) on any of `allowed`. Signal-safe.
void pin_thread(int thread_id, int cpu, const std::vector<int>& allowed);

// Timers of the calling thread end on time: the default slack of 50 us is for battery life.
void sharpen_timers();

// Gives the calling thread an alternate signal stack, large enough for the machine's largest signal frame; for good.
void install_alternate_stack();

// The CPUs this process may use: the smaller of the affinity mask and the quota of its control group; at least 1.
[[nodiscard]] unsigned available_cpus();

}  // namespace reeve::os
