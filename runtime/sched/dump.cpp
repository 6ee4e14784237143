#include "runtime/sched/dump.hpp"

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <cxxabi.h>
#include <deque>
#include <map>
#include <dlfcn.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "runtime/sched/backtrace.hpp"
#include "runtime/sched/belongings.hpp"
#include "runtime/sched/ledger_report.hpp"
#include "runtime/sched/monitor.hpp"
#include "runtime/sched/preempt.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

const char* name_of(Phase phase) {
    switch (phase) {
        case Phase::free: return "free";
        case Phase::runnable: return "runnable";
        case Phase::running: return "running";
        case Phase::parked: return "parked";
        case Phase::preempted: return "preempted";
    }
    return "?";
}

void append_hex(std::string& text, std::uintptr_t value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
    text.append("0x").append(digits, end);
}

void append_frame(std::string& text, void* address) {
    text += "    ";
    append_hex(text, reinterpret_cast<std::uintptr_t>(address));
    Dl_info info{};
    // A return address may be the first of the next function, after a call that does not return.
    if (dladdr(static_cast<char*>(address) - 1, &info) != 0 && info.dli_sname) {
        int status = 0;
        char* demangled = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
        text.append(" ").append(demangled ? demangled : info.dli_sname).append("+");
        free(demangled);
        append_hex(text, reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_saddr));
    } else if (info.dli_fname) {
        text.append(" ").append(info.dli_fname).append("+");
        append_hex(text, reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_fbase));
    }
    text += '\n';
}

void append_backtrace(std::string& text, const Backtrace& backtrace) {
    for (std::size_t i = 0; i < backtrace.count; ++i) append_frame(text, backtrace.addresses[i]);
}

// What a fiber is and waits for, copied. It may change meanwhile: each word is whole, and the name ends.
struct Seen {
    Phase phase;
    bool is_held;
    std::uint64_t id;
    const char* reason;
    std::int64_t since_ns;
    char name[Fiber::k_name_bytes];
};

__attribute__((noinline, no_sanitize("thread"))) Seen look_at(const Fiber& fiber) {
    Seen seen{.phase = fiber.phase.load(std::memory_order_acquire),
              .is_held = fiber.held_by.load(std::memory_order_relaxed) != nullptr,
              .id = fiber.id,
              .reason = fiber.reason,
              .since_ns = fiber.since_ns,
              .name = {}};
    const volatile char* name = fiber.name();  // byte by byte: a copying function of the library would be checked
    for (std::size_t i = 0; i + 1 < sizeof seen.name; ++i)
        if ((seen.name[i] = name[i]) == '\0') break;
    return seen;
}

void append_fiber(std::string& text, const Fiber& fiber, const Backtrace* running, std::int64_t now) {
    const Seen seen = look_at(fiber);
    const Phase phase = seen.phase;
    text += "fiber " + std::to_string(seen.id) + " '" + seen.name + "' ";
    if (const std::string labels = labels_text(fiber); !labels.empty()) text += labels + " ";
    text += name_of(phase);
    if (phase == Phase::parked) text += std::string(" in ") + seen.reason;
    if (phase == Phase::runnable && seen.is_held) text += std::string(", waits for ") + seen.reason;
    if (phase != Phase::running) text += ", " + std::to_string((now - seen.since_ns) / 1'000'000) + " ms";
    text += '\n';
    if (phase == Phase::parked || phase == Phase::preempted || (phase == Phase::runnable && !seen.is_held)) {
        reeve::sched::append_backtrace(text, fiber);
    } else if (running) {
        append_backtrace(text, *running);
    }
}

// Sleeping, not yielding: the caller may be the monitor, before which nobody else gets the CPU.
void nap() {
    const timespec pause{0, 20'000};
    nanosleep(&pause, nullptr);
}

struct Running {
    const Fiber* fiber;
    Backtrace backtrace;
};

// Asks every thread that has a fiber for its backtrace, by signal, and waits a little for the answers. A fiber that stops or
// goes on meanwhile answers or does not.
std::deque<Running> ask_running(Scheduler& scheduler) {
    std::vector<Worker*> workers;
    scheduler.for_each_worker([&](Worker& worker) { workers.push_back(&worker); });
    std::deque<Running> running;
    std::vector<Worker*> asked;
    for (Worker* worker : workers) {
        const Fiber* fiber = worker->fiber.load(std::memory_order_relaxed);
        if (!fiber || fiber->held_by.load(std::memory_order_relaxed) != nullptr) continue;
        running.emplace_back().fiber = fiber;
        worker->backtrace_wanted.store(&running.back().backtrace, std::memory_order_release);
        asked.push_back(worker);
        signal_worker(*worker, preempt_signal(scheduler.config));
    }
    constexpr std::int64_t k_patience_ns = 20'000'000;
    const std::int64_t give_up_ns = monotonic_ns() + k_patience_ns;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        while (!running[i].backtrace.is_taken.load(std::memory_order_acquire) && monotonic_ns() < give_up_ns) nap();
        // Either the handler never gets the pointer, or it has it and will be done in a moment.
        if (!asked[i]->backtrace_wanted.exchange(nullptr, std::memory_order_acq_rel))
            while (!running[i].backtrace.is_taken.load(std::memory_order_acquire)) nap();
    }
    return running;
}

}  // namespace

void append_backtrace(std::string& text, const Fiber& fiber) {
    Backtrace backtrace;
    backtrace.walk(fiber);
    append_backtrace(text, backtrace);
}

void write_out(int fd, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
        if (written <= 0) return;
        done += static_cast<std::size_t>(written);
    }
}

void dump_all(Scheduler& scheduler, int fd) {
    constexpr std::size_t k_chunk = 64 * 1024;
    const std::int64_t now = monotonic_ns();
    const std::deque<Running> running = ask_running(scheduler);
    std::string text = "reeve: all fibers\n";
    std::size_t count = 0;
    scheduler.for_each_fiber([&](Fiber& fiber) {
        ++count;
        const Backtrace* of_running = nullptr;
        for (const Running& one : running)
            if (one.fiber == &fiber) of_running = &one.backtrace;
        append_fiber(text, fiber, of_running, now);
        if (text.size() < k_chunk) return;
        write_out(fd, text);
        text.clear();
    });
    text += "reeve: " + std::to_string(count) + " fibers; I/O by " + scheduler.io.text() + "\n" + scheduler.wait_circles.report() +
            ledger_table_of_this_process(scheduler.ledger, 3);
    write_out(fd, text);
}

void report_leaks(Scheduler& scheduler) {
    constexpr std::size_t k_kinds = 8;
    std::map<std::pair<std::string, std::string>, std::size_t> kinds;
    std::size_t count = 0;
    scheduler.for_each_fiber([&](Fiber& fiber) {
        const Seen seen = look_at(fiber);
        if (seen.phase != Phase::parked) return;  // main's, which has just been joined, and others that are about to end
        ++count;
        ++kinds[{seen.name, seen.reason}];
    });
    if (count == 0) return;
    std::string text;
    std::size_t told = 0;
    for (const auto& [kind, times] : kinds) {
        if (told++ == k_kinds) break;
        text += (told == 1 ? "" : ", ") + std::to_string(times) + " '" + kind.first + "' in " + kind.second;
    }
    warn("run: main has returned, and %zu %s: %s%s; cancelled (REEVE_LEAKS=all shows where, off says nothing)", count,
         count == 1 ? "fiber still waits" : "fibers still wait", text.c_str(), kinds.size() > k_kinds ? ", and others" : "");
    if (scheduler.config.on_leaks == OnLeaks::all) dump_all(scheduler, 2);
}

void print_trace(Scheduler& scheduler) {
    const std::int64_t elapsed_ms = (monotonic_ns() - scheduler.started_ns) / 1'000'000;
    using Number = unsigned long long;
    Number switches = 0;
    Number steals = 0;
    Number wakes = 0;
    Number sleeps = 0;
    Number submits = 0;
    std::size_t queued = 0;
    for (auto& processor : scheduler.processors) {
        const Counters& counters = processor->counters;
        switches += counters.switches.value();
        steals += counters.steals.value();
        wakes += counters.wakes.value();
        sleeps += counters.sleeps.value();
        submits += counters.submits.value();
        queued += processor->queue.size();
    }
    warn("%lldms: processors %zu, idle %d, searching %d, threads %u, fibers %llu; queued: local %zu, global %zu, "
         "returning %zu, preempted %zu; so far: switches %llu, steals %llu, wakes %llu, sleeps %llu, submits %llu, "
         "ticks %llu, taken %llu, signals %llu",
         static_cast<long long>(elapsed_ms), scheduler.processors.size(), scheduler.idle.count(), scheduler.idle.searching(),
         scheduler.thread_count(), static_cast<Number>(scheduler.live_fibers()), queued, scheduler.global.size(),
         scheduler.returning.size(), scheduler.preempted.size(), switches, steals, wakes, sleeps, submits,
         static_cast<Number>(scheduler.monitor->ticks.value()), static_cast<Number>(scheduler.monitor->taken.value()),
         static_cast<Number>(scheduler.monitor->signals.value()));
}

}  // namespace reeve::sched
