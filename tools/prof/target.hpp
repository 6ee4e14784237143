// Target: the process under observation, as /proc tells it.
//
// Reads only; the process does not notice. Threads come and go between two calls: a thread that has gone is
// reported as such (an empty optional, a missing entry), never as an error.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reeve::prof {

[[nodiscard]] bool process_exists(pid_t pid);
[[nodiscard]] std::string process_name(pid_t pid);

// Empty, or why this process cannot be traced, in words for the user.
[[nodiscard]] std::string why_not_traceable(pid_t pid);

[[nodiscard]] std::vector<pid_t> list_threads(pid_t pid);
[[nodiscard]] std::string thread_name(pid_t pid, pid_t tid);

// The kernel's letter: R runs or waits for a CPU, S and D sleep, T is stopped, Z has ended.
[[nodiscard]] std::optional<char> thread_state(pid_t pid, pid_t tid);

// CPU time used so far, in ns; 0 when the thread has gone. Exact for a thread that is not running; up to a
// kernel tick late for one that is.
[[nodiscard]] std::int64_t thread_cpu_ns(pid_t pid, pid_t tid);

}  // namespace reeve::prof
