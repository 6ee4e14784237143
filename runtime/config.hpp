// Config: every limit of the runtime, with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "runtime/base/time.hpp"

namespace reeve {

// What carries I/O. `automatic`: io_uring, or epoll where the kernel refuses it (seccomp profiles of containers, kernels before
// Linux 6.1, no memory to lock); stats() and the dump tell which. `io_uring`: nothing else, or the process ends with advice.
enum class Io { automatic, io_uring, epoll };

// What the kernel's scheduler may be asked for, so that woken threads run early beside busy ones (os/kernel_schedule.hpp).
// `automatic`: all the process is allowed to ask for, a monitor in real time included; `slices`: nothing that needs rights;
// `none`: nothing.
enum class KernelHints { automatic, slices, none };

// What deadlines and sleeps go by. `virtual_time`, for tests (testing.hpp): time stands still while a fiber can run, and jumps to
// the next timer when none can; a sleep costs nothing. One worker, no preemption.
enum class Clock { real, virtual_time };

// What is done when every fiber waits and nothing is left that could wake one (sched/deadlock.hpp): a report of all fibers on
// standard error, after which the process ends with k_deadlock_exit_status; the report alone; nothing.
enum class OnDeadlock { exit, report, off };
inline constexpr int k_deadlock_exit_status = 35;  // the number of EDEADLK

// What is said of fibers that still wait when main returns, before they are cancelled: how many wait for what, in one line on
// standard error; each with its backtrace; nothing, for programs that mean to leave some.
enum class OnLeaks { summary, all, off };

struct Config {
    // Processors: fibers that run at the same time. 0: the CPUs this process may use (affinity and cgroup quota).
    unsigned workers = 0;

    // Off: a fiber keeps its processor until it parks or yields. For comparison and for debugging.
    bool preemption = true;

    // How long a fiber that computes may keep others waiting: woken and new ones, due timers and finished I/O for a quarter of
    // it, others that compute for four of it. A turn of these costs some 40 us.
    Duration quantum = std::chrono::milliseconds(1);

    // Address space of a fiber's stack, guard page included; only touched pages cost memory.
    std::size_t stack_bytes = 256 * 1024;

    // OS threads at most. Each fiber that is preempted or blocks in the kernel keeps one (61 KiB).
    unsigned max_threads = 10'000;

    // Requests that can be queued before one system call passes them on.
    unsigned ring_entries = 256;

    Io io = Io::automatic;

    KernelHints kernel_hints = KernelHints::automatic;

    // The signal that stops a fiber that computes; default SIGURG, which debuggers pass on and nobody else uses.
    int preempt_signal = 0;

    // Warns, once per fiber name and reason, of fibers that wait while they hold a lock of the operating system (std::mutex, a
    // function-local static's guard ...): their threads wait with them. Default: in builds of the runtime with asserts.
    bool check_locks = has_asserts();

    // Nothing is said where the program has threads besides the runtime's, or handlers of signals: these might go on.
    OnDeadlock on_deadlock = OnDeadlock::exit;

    Clock clock = Clock::real;

    // For tests (testing.hpp). Not 0: who runs next, and where fibers are interrupted, is drawn from this seed, always the same way.
    // One worker, no preemption.
    std::uint64_t seed = 0;

    // SIGQUIT prints every fiber to standard error.
    bool dump_on_sigquit = true;

    OnLeaks on_leaks = OnLeaks::summary;

    // After main has returned the other fibers are cancelled and get this long to end.
    Duration shutdown_grace = std::chrono::seconds(1);

    // One line about the scheduler to standard error per interval; 0: none.
    Duration schedtrace = Duration::zero();

    // REEVE_WORKERS, REEVE_PREEMPTION (on, off), REEVE_QUANTUM_US, REEVE_STACK_KB, REEVE_MAX_THREADS, REEVE_IO
    // (automatic, io_uring, epoll), REEVE_KERNEL_HINTS (automatic, slices, none), REEVE_CHECK_LOCKS (1, 0), REEVE_DEADLOCK
    // (exit, report, off), REEVE_CLOCK (real, virtual), REEVE_SEED, REEVE_LEAKS (summary, all, off), REEVE_SCHEDTRACE (ms). A value
    // that makes no sense is warned about and ignored.
    static Config from_env();

private:
    static bool has_asserts();
};

}  // namespace reeve
