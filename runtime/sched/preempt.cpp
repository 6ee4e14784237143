#include "runtime/sched/preempt.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <link.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/config.hpp"
#include "runtime/sched/backtrace.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {
namespace {

struct Range {
    std::uintptr_t begin;
    std::uintptr_t end;
};

// Executable segments, sorted: of shared libraries, and of the program itself. Written by note_libraries() into the half
// that is not in use, then published.
struct CodeMap {
    std::array<Range, 512> libraries;
    std::size_t library_count;
    Range program;
};
CodeMap s_maps[2];
std::atomic<const CodeMap*> s_map{nullptr};

struct sigaction s_previous_preempt;
struct sigaction s_previous_segv;

int add_object(dl_phdr_info* info, std::size_t, void* raw) {
    auto& map = *static_cast<CodeMap*>(raw);
    const bool is_program = info->dlpi_name[0] == '\0' && map.program.end == 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& header = info->dlpi_phdr[i];
        if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
        const Range range{info->dlpi_addr + header.p_vaddr, info->dlpi_addr + header.p_vaddr + header.p_memsz};
        if (is_program)
            map.program = range;
        else if (info->dlpi_name[0] == '/' && map.library_count < map.libraries.size())  // not the vdso: it holds no lock
            map.libraries[map.library_count++] = range;
    }
    return 0;
}

bool is_in_library(const CodeMap& map, std::uintptr_t address) {
    std::size_t low = 0;
    std::size_t high = map.library_count;
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (map.libraries[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map.library_count && map.libraries[low].begin <= address;
}

bool is_in(const Range& range, std::uintptr_t address) { return address >= range.begin && address < range.end; }

// Is no library function among the callers? By frame pointers when they lead cleanly to the bottom of the stack; else
// every word of the stack is taken for a return address (more than there are, never fewer).
// Reads words of a stack that AddressSanitizer takes for padding.
[[gnu::no_sanitize("address")]] bool has_library_caller(const CodeMap& map, std::uintptr_t stack_pointer,
                                                        std::uintptr_t frame, std::uintptr_t top) {
    constexpr int k_frames = 64;
    for (int i = 0; i < k_frames; ++i) {
        if (frame < stack_pointer || frame + 16 > top || frame % 8 != 0) break;
        const auto* words = reinterpret_cast<const std::uintptr_t*>(frame);
        if (is_in_library(map, words[1])) {
            // The fiber's own entry returns into Boost's trampoline, at the very top.
            return frame + 256 < top;
        }
        if (words[0] <= frame) break;
        frame = words[0];
    }
    if (frame + 256 >= top && frame < top) return false;
    constexpr std::uintptr_t k_scanned = 32 * 1024;
    const std::uintptr_t end = std::min(top, stack_pointer + k_scanned);
    for (std::uintptr_t at = stack_pointer & ~std::uintptr_t{7}; at + 8 <= end; at += 8)
        if (is_in_library(map, *reinterpret_cast<const std::uintptr_t*>(at)) && at + 256 < top) return true;
    return false;
}

bool may_park(const Worker& worker, const ucontext_t& context) {
    const CodeMap* map = s_map.load(std::memory_order_acquire);
    const auto pc = static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RIP]);
    const auto stack_pointer = static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RSP]);
    const auto frame = static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RBP]);
    const auto bottom = reinterpret_cast<std::uintptr_t>(worker.current_fiber()->stack.bottom);
    const auto top = reinterpret_cast<std::uintptr_t>(worker.current_fiber()->closure);  // where the frames begin
    if (stack_pointer < bottom || stack_pointer >= top) return false;
    if (is_in_library(*map, pc)) return false;
    // 0f 05, the system call instruction: the thread sits in the kernel or has just returned.
    if (is_in(map->program, pc - 2) && *reinterpret_cast<const std::uint16_t*>(pc - 2) == 0x050f) return false;
    return !has_library_caller(*map, stack_pointer, frame, top);
}

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
                  static_cast<std::uintptr_t>(registers[REG_RBP]), reinterpret_cast<std::uintptr_t>(fiber->closure));
    into.is_taken.store(true, std::memory_order_release);
}

void park_or_refuse(Worker& worker, const ucontext_t& context) {
    if (may_park(worker, context)) {
        const auto& registers = context.uc_mcontext.gregs;
        auto& at = worker.current_fiber()->interrupted_at;
        at[0] = static_cast<std::uintptr_t>(registers[REG_RIP]);
        at[1] = static_cast<std::uintptr_t>(registers[REG_RSP]);
        at[2] = static_cast<std::uintptr_t>(registers[REG_RBP]);
        worker.park_preempted();
        return;
    }
    worker.refusals.store(worker.refusals.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    worker.has_refused.store(true, std::memory_order_relaxed);
}

void on_preempt(int signal, siginfo_t* info, void* raw) {
    const int saved = errno;
    Worker* worker = current_worker();
    if (worker && info->si_code == SI_TKILL && worker->is_signal_pending.load(std::memory_order_relaxed)) {
        const auto& context = *static_cast<const ucontext_t*>(raw);
        if (Backtrace* wanted = worker->backtrace_wanted.exchange(nullptr, std::memory_order_acq_rel))
            take_backtrace(*worker, context, *wanted);
        if (worker->depth() == 0) {
            worker->hand_over();
            if (worker->is_detached()) park_or_refuse(*worker, context);
        }
        worker->is_signal_pending.store(false, std::memory_order_release);
    } else {
        chain(s_previous_preempt, signal, info, raw);
    }
    errno = saved;
}

void on_segv(int signal, siginfo_t* info, void* raw) {
    Worker* worker = current_worker();
    if (worker && worker->current_fiber() && context::StackPool::is_in_guard(worker->current_fiber()->stack, info->si_addr)) {
        const Fiber& fiber = *worker->current_fiber();
        fatal("fiber %llu '%s' overflowed its stack of %zu KB: give it more (FiberOptions::stack_bytes, "
              "Config::stack_bytes) or put less on it", static_cast<unsigned long long>(fiber.id), fiber.name,
              (static_cast<std::size_t>(fiber.stack.top - fiber.stack.bottom) + 4096) / 1024);
    }
    if ((s_previous_segv.sa_flags & SA_SIGINFO) != 0 || s_previous_segv.sa_handler != SIG_DFL) {
        chain(s_previous_segv, signal, info, raw);
        return;
    }
    // Not ours: let it happen again with the default action, so that the core dump shows the place.
    ::signal(signal, SIG_DFL);
}

void install(int signal, void (*handler)(int, siginfo_t*, void*), struct sigaction& previous) {
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    struct sigaction old {};
    REEVE_CHECK(sigaction(signal, &action, &old) == 0);
    if (old.sa_sigaction != handler) previous = old;
}

}  // namespace

int preempt_signal(const Config& config) { return config.preempt_signal != 0 ? config.preempt_signal : SIGURG; }

void note_libraries() {
    CodeMap& next = s_map.load(std::memory_order_acquire) == &s_maps[0] ? s_maps[1] : s_maps[0];
    next.library_count = 0;
    next.program = {};
    dl_iterate_phdr(add_object, &next);
    std::sort(next.libraries.begin(), next.libraries.begin() + static_cast<std::ptrdiff_t>(next.library_count),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    s_map.store(&next, std::memory_order_release);
}

void install_preemption(const Config& config) {
    note_libraries();
    install(preempt_signal(config), on_preempt, s_previous_preempt);
    install(SIGSEGV, on_segv, s_previous_segv);
}

void signal_worker(Worker& worker, int signal) {
    if (worker.is_signal_pending.exchange(true, std::memory_order_acq_rel)) return;
    if (syscall(SYS_tgkill, getpid(), worker.thread_id.load(std::memory_order_relaxed), signal) != 0)
        worker.is_signal_pending.store(false, std::memory_order_release);
}

}  // namespace reeve::sched
