#include "runtime/sched/preempt.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/config.hpp"
#include "runtime/os/interruptible_call.hpp"
#include "runtime/sched/backtrace.hpp"
#include "runtime/sched/code_map.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/fork.hpp"
#include "runtime/sched/interrupted_call.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/stop_check.hpp"
#include "runtime/sched/worker.hpp"

#ifdef __SANITIZE_THREAD__
#define REEVE_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define REEVE_THREAD_SANITIZED 1
#endif
#endif

namespace reeve::sched {
namespace {

// Who gives way each time it is asked gets no CPU for tens of milliseconds, and may hold a lock of the C library's.
constexpr unsigned k_times_to_give_way = 3;
constexpr std::int64_t k_lost_ns = 20'000'000;  // a signal that is not answered by then is sent again

struct sigaction s_previous_preempt;
struct sigaction s_previous_segv;

void chain(const struct sigaction& previous, int signal, siginfo_t* info, void* context) {
    if ((previous.sa_flags & SA_SIGINFO) != 0)
        previous.sa_sigaction(signal, info, context);
    else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
        previous.sa_handler(signal);
}

void take_backtrace(const Worker& worker, const ucontext_t& context, Backtrace& into) {
    const auto& registers = context.uc_mcontext.gregs;
    if (const Fiber* fiber = worker.current_fiber())
        into.walk(static_cast<std::uintptr_t>(registers[REG_RIP]), static_cast<std::uintptr_t>(registers[REG_RSP]),
                  static_cast<std::uintptr_t>(registers[REG_RBP]), reinterpret_cast<std::uintptr_t>(fiber->its_head().frames_top));
    into.is_taken.store(true, std::memory_order_release);
}

void park(Worker& worker, const ucontext_t& context) {
    const auto& registers = context.uc_mcontext.gregs;
    StackHead& head = worker.current_fiber()->its_head();
    head.interrupted_at[0] = static_cast<std::uintptr_t>(registers[REG_RIP]);
    head.interrupted_at[1] = static_cast<std::uintptr_t>(registers[REG_RSP]);
    head.interrupted_at[2] = static_cast<std::uintptr_t>(registers[REG_RBP]);
    worker.park_preempted();
}

// It computes without a processor: whoever has one goes first. To the kernel a thread that yields has used its slice: otherwise
// many that sleep at times, at a lock of the C library say, are preferred to one that has just answered a request.
void give_way() { syscall(SYS_sched_yield); }

void refuse(Worker& worker, Refusal refusal, std::uintptr_t code) {
    worker.scheduler.ledger.refused(refusal, code);
    worker.detachment.go_on(monotonic_ns());
    worker.has_refused.store(true, std::memory_order_relaxed);
    worker.scheduler.monitor->note_detached(worker);
    give_way();
}

// ThreadSanitizer calls the handler of a thread that computes when it likes, not on the alternate stack but from one of its own
// functions. The context is history then: its code may be gone, with a library that was closed, and changing it changes nothing.
bool is_called_later([[maybe_unused]] const Worker& worker) {
#ifdef REEVE_THREAD_SANITIZED
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const Fiber* fiber = worker.current_fiber();
    if (!fiber) return false;
    const context::Stack& stack = fiber->its_head().stack;
    return here >= reinterpret_cast<std::uintptr_t>(stack.bottom) && here < reinterpret_cast<std::uintptr_t>(stack.top);
#else
    return false;
#endif
}

bool mend_interrupted_call(const Worker& worker, ucontext_t& context) {
    return !is_called_later(worker) && make_interrupted_call_again(context);
}

// False: not yet, the signal comes again.
bool stop(Worker& worker, ucontext_t& context) {
    const auto code = static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RIP]);
    const std::optional<Refusal> refusal = why_not_stop(*worker.current_fiber(), context);
    const bool was_asleep = mend_interrupted_call(worker, context);
    if (refusal && !was_asleep && worker.ask_again()) {
        if (worker.is_detached() && worker.times_asked() <= k_times_to_give_way) give_way();
        return false;
    }
    worker.hand_over(code, refusal ? Wake::at_home : Wake::in_my_place);
    if (!worker.is_detached()) return true;
    if (refusal)
        refuse(worker, *refusal, code);
    else
        park(worker, context);
    return true;
}

bool is_ours(const Worker& worker, const siginfo_t& info) {
    if (!worker.is_signal_pending.load(std::memory_order_relaxed)) return false;
    return info.si_code == SI_TKILL || (info.si_code == SI_TIMER && info.si_value.sival_ptr == &worker);
}

void on_preempt(int signal, siginfo_t* info, void* raw) {
    const int saved = errno;
    Worker* worker = current_worker();
    if (worker && is_ours(*worker, *info)) {
        auto& context = *static_cast<ucontext_t*>(raw);
        if (Backtrace* wanted = worker->backtrace_wanted.exchange(nullptr, std::memory_order_acq_rel))
            take_backtrace(*worker, context, *wanted);
        // A sanitizer delivers in a forked child what it held back in the parent: there nobody would ever give it a processor.
        const bool is_in_user_code = worker->depth() == 0 && !is_other_process();
        const bool is_asked = is_in_user_code && (worker->has_successor() || worker->is_detached());
        // The monitor may be about to take the processor by itself; a call that the signal interrupted is mended all the same.
        if (is_in_user_code && !is_asked) (void)mend_interrupted_call(*worker, context);
        if (!is_asked || stop(*worker, context)) worker->end_signal();
    } else {
        if (!worker) os::give_up_interrupted_call(*static_cast<ucontext_t*>(raw));
        chain(s_previous_preempt, signal, info, raw);
    }
    errno = saved;
}

void on_segv(int signal, siginfo_t* info, void* raw) {
    Worker* worker = current_worker();
    const Fiber* running = worker ? worker->current_fiber() : nullptr;
    if (running && context::StackPool::is_in_guard(running->its_head().stack, info->si_addr)) {
        const Fiber& fiber = *running;
        const context::Stack& stack = fiber.its_head().stack;
        fatal("fiber %llu '%s' overflowed its stack of %zu KB: give it more (FiberOptions::stack_bytes, "
              "Config::stack_bytes) or put less on it", static_cast<unsigned long long>(fiber.id), fiber.name(),
              (static_cast<std::size_t>(stack.top - stack.bottom) + 4096) / 1024);
    }
    if ((s_previous_segv.sa_flags & SA_SIGINFO) != 0 || s_previous_segv.sa_handler != SIG_DFL) {
        chain(s_previous_segv, signal, info, raw);
        return;
    }
    // Not ours: let it happen again with the default action, so that the core dump shows the place.
    ::signal(signal, SIG_DFL);
}

void install(int signal, void (*handler)(int, siginfo_t*, void*), struct sigaction& previous) {
    // Known before the first signal can ask for it.
    struct sigaction old {};
    REEVE_CHECK(sigaction(signal, nullptr, &old) == 0);
    if (old.sa_sigaction != handler) previous = old;
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    REEVE_CHECK(sigaction(signal, &action, nullptr) == 0);
}

}  // namespace

int preempt_signal(const Config& config) { return config.preempt_signal != 0 ? config.preempt_signal : SIGURG; }

void install_preemption(const Config& config) {
    code_map::refresh();
    install(preempt_signal(config), on_preempt, s_previous_preempt);
    install(SIGSEGV, on_segv, s_previous_segv);
}

void signal_worker(Worker& worker, int signal) {
    const std::int64_t now = monotonic_ns();
    // Not a second one while the first is on its way; but a program may have taken it out of there (sigwait). Should the first be
    // answered at that very moment after all, the second is taken for the program's own.
    if (worker.is_signal_pending.exchange(true, std::memory_order_acq_rel) &&
        now - worker.signalled_ns.load(std::memory_order_relaxed) < k_lost_ns)
        return;
    worker.signalled_ns.store(now, std::memory_order_relaxed);
    if (syscall(SYS_tgkill, getpid(), worker.thread_id.load(std::memory_order_relaxed), signal) != 0)
        worker.is_signal_pending.store(false, std::memory_order_release);
}

}  // namespace reeve::sched
