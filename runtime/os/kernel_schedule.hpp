// What the kernel's scheduler is asked for: slices, batches, real time, one CPU.
//
// Idea. On a busy machine it is the kernel that decides when a thread that was woken gets a CPU: at once or at its next
// tick, up to 4 ms later. These calls tell it who is in a hurry. All but real time are open to any process; what the
// kernel or the process's rights do not allow is left undone without a word, it costs latency only.
//
// Processes and threads that user code starts inherit what their thread has at that moment. So slices are marked not to be
// inherited (unless the process has a nice value that the mark would reset, too), and who is pinned or batch undoes it before
// it runs user code.
//
// Any thread; signal-safe; never blocks. A thread is named by the kernel's number for it.
#pragma once

#include <cstdint>
#include <vector>

namespace reeve::os {

// Slices of this length (Linux 6.12). A thread that wakes gets the CPU of one with a longer slice at once.
void ask_for_slice(int thread_id, std::int64_t slice_ns);

// Batch: waking this thread does not take the CPU from its waker, who is about to sleep. Otherwise the waker stays in
// the kernel's queue, half a microsecond from sleeping, and stands in the way of the next thread that is in a hurry.
void set_batch(int thread_id, bool is_batch);

// The lowest real-time priority for the calling thread, not for threads and processes it starts: it then runs as soon as
// it wakes. Needs CAP_SYS_NICE or RLIMIT_RTPRIO; false without.
bool ask_for_real_time();

// A thread started by one in real time has the nice value 0, not its process's.
[[nodiscard]] int nice_value();  // of the calling thread
void set_nice_value(int nice);

// The CPUs the process may use, lowest first. Not signal-safe.
[[nodiscard]] std::vector<int> allowed_cpus();
// Keeps a thread that may run on all of `allowed` on one of them; false: its program has given it others, nothing is changed.
bool pin_thread(int thread_id, int cpu, const std::vector<int>& allowed);
void unpin_thread(int thread_id, const std::vector<int>& allowed);

}  // namespace reeve::os
