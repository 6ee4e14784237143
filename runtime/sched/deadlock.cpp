#include "runtime/sched/deadlock.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/base/barrier.hpp"
#include "runtime/os/thread.hpp"
#include "runtime/sched/dump.hpp"
#include "runtime/sched/preempt.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

// The kernel's flags of a thread (PF_*) with which it runs no code of the program any more, or never did.
constexpr unsigned k_exiting = 0x4;
constexpr unsigned k_io_worker = 0x10;  // io_uring's own threads, which appear among the process's

// Handlers that the runtime, the language or a sanitizer has; what they tell of is no event that a program waits for.
constexpr int k_other_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE};

void nap() {
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
}

// True when it cannot be told, as well.
bool may_run_code(int thread_id) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno != ENOENT;  // it has just ended
    char text[512];
    const ssize_t bytes = ::read(fd, text, sizeof text - 1);
    const int error = errno;
    ::close(fd);
    if (bytes <= 0) return error != ESRCH;
    text[bytes] = '\0';
    const char* after_name = strrchr(text, ')');
    unsigned flags = 0;
    if (!after_name || sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1) return true;
    return (flags & (k_exiting | k_io_worker)) == 0;
}

// Calls visit(id) for each thread of the process until it returns true, and returns that; true when they cannot be listed.
template <class Visitor>
bool any_thread(Visitor visit) {
    DIR* folder = opendir("/proc/self/task");
    if (!folder) return true;
    bool found = false;
    while (const dirent* entry = readdir(folder)) {
        int id = 0;
        const char* end = entry->d_name + strlen(entry->d_name);
        if (std::from_chars(entry->d_name, end, id).ec != std::errc()) continue;  // . and ..
        found = visit(id);
        if (found) break;
    }
    closedir(folder);
    return found;
}

}  // namespace

DeadlockCheck::DeadlockCheck(Scheduler& scheduler) : scheduler_(scheduler), run_thread_(os::thread_id()) {}

bool DeadlockCheck::is_possible() const {
    if (scheduler_.config.on_deadlock == OnDeadlock::off || main_has_returned_.load(std::memory_order_seq_cst)) return false;
    // is_idle last: who takes a timer or a completion does so after having cleared it.
    return std::all_of(scheduler_.processors.begin(), scheduler_.processors.end(), [](auto& p) {
        return p->timers.earliest_ns() == Deadline::k_never_ns && !p->io.has_in_flight() && !p->io.has_completions() &&
               p->is_idle.load(std::memory_order_seq_cst);
    });
}

std::uint64_t DeadlockCheck::moves() const {
    std::uint64_t sum = 0;
    for (auto& processor : scheduler_.processors) {
        const Counters& counters = processor->counters;
        sum += counters.switches.value() + counters.parks.value() + counters.completions.value() + counters.timers_fired.value() +
               counters.sleeps.value() + counters.fibers_started.value() + counters.fibers_ended.value();
    }
    return sum;
}

bool DeadlockCheck::has_threads_of_program() {
    std::vector<int> own;
    own.reserve(scheduler_.thread_count() + 16);
    // A worker that was just started does not have its number yet.
    for (bool is_complete = false; !is_complete;) {
        if (!is_possible()) return true;
        own = {run_thread_, monitor_thread_.load(std::memory_order_relaxed), os::thread_id()};
        is_complete = own[1] != 0;
        const auto add = [&](int id) {
            own.push_back(id);
            is_complete = is_complete && id != 0;
        };
        scheduler_.for_each_worker([&](Worker& worker) { add(worker.thread_id.load(std::memory_order_relaxed)); });
        if (os::FileThreads* files = scheduler_.io.file_threads()) files->for_each_thread_id(add);
        if (!is_complete) nap();
    }
    std::sort(own.begin(), own.end());
    return any_thread([&](int id) { return !std::binary_search(own.begin(), own.end(), id) && may_run_code(id); });
}

// A program may live from its handlers, while main waits for ever.
bool DeadlockCheck::has_handlers_of_program() const {
    for (int signal = 1; signal < NSIG; ++signal) {
        if (signal == preempt_signal(scheduler_.config) || (signal == SIGQUIT && scheduler_.config.dump_on_sigquit)) continue;
        if (std::find(std::begin(k_other_signals), std::end(k_other_signals), signal) != std::end(k_other_signals)) continue;
        struct sigaction action {};
        if (sigaction(signal, nullptr, &action) != 0) continue;  // one of the C library's own
        if ((action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)) return true;
    }
    return false;
}

bool DeadlockCheck::all_are_parked() {
    // First those that run, or block in the kernel: visiting a million fibers takes a while.
    bool any_has_thread = false;
    scheduler_.for_each_worker([&](Worker& worker) {
        const Fiber* fiber = worker.current_fiber();
        any_has_thread = any_has_thread || (fiber && !fiber->state.is_parked());
    });
    if (any_has_thread) return false;
    const std::uint64_t fibers = scheduler_.live_fibers();
    std::uint64_t parked = 0;
    bool any_goes_on = false;
    scheduler_.for_each_fiber([&](Fiber& fiber) {
        any_goes_on = any_goes_on || !fiber.state.is_parked();
        ++parked;
    });
    // A fiber that is being made counts, and is not visited.
    return !any_goes_on && parked == fibers && fibers != 0;
}

void DeadlockCheck::check() {
    const std::uint64_t before = moves();
    heavy_barrier();
    if (!is_possible() || has_threads_of_program() || has_handlers_of_program() || !all_are_parked()) return;
    heavy_barrier();
    if (!is_possible() || has_threads_of_program() || moves() != before || before == told_at_) return;
    told_at_ = before;
    const bool ends = scheduler_.config.on_deadlock == OnDeadlock::exit;
    char status[32] = "";
    if (ends) snprintf(status, sizeof status, "; exit status %d", k_deadlock_exit_status);
    warn("all fibers wait for each other: deadlock. Nothing that could wake one is left: no timer, no request in the kernel, no "
         "other thread, no signal handler (Config::on_deadlock, REEVE_DEADLOCK%s)", status);
    dump_all(scheduler_, STDERR_FILENO);
    // Not exit(): destructors of the program's globals would find locks held for ever.
    if (ends) _exit(k_deadlock_exit_status);
}

}  // namespace reeve::sched
