#include "runtime/sched/dump.hpp"

#include <array>
#include <charconv>
#include <cxxabi.h>
#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <unistd.h>

#include "runtime/sched/monitor.hpp"
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

struct Frames {
    std::array<void*, 32> addresses;
    std::size_t count = 0;
};

// Follows frame pointers within the fiber's own stack. The fiber may start to run meanwhile: then the words read are
// stale or torn, never outside the stack.
[[gnu::no_sanitize("address", "thread")]] Frames frames_of(const Fiber& fiber) {
    Frames frames;
    const auto bottom = reinterpret_cast<std::uintptr_t>(fiber.stack.bottom);
    const auto top = reinterpret_cast<std::uintptr_t>(fiber.closure);
    const auto saved = reinterpret_cast<std::uintptr_t>(fiber.side.saved);
    if (saved < bottom || saved + 64 > top) return frames;
    const context::Resume resume = context::resume_point(fiber.side);
    frames.addresses[frames.count++] = resume.address;
    auto frame = reinterpret_cast<std::uintptr_t>(resume.frame_pointer);
    while (frames.count < frames.addresses.size() && frame >= saved && frame + 16 <= top && frame % 8 == 0) {
        auto words = reinterpret_cast<void* const*>(frame);
        if (!words[1]) break;
        frames.addresses[frames.count++] = words[1];
        const auto next = reinterpret_cast<std::uintptr_t>(words[0]);
        if (next <= frame) break;
        frame = next;
    }
    return frames;
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
    if (dladdr(address, &info) != 0 && info.dli_sname) {
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

void write_out(int fd, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
        if (written <= 0) return;
        done += static_cast<std::size_t>(written);
    }
}

void append_fiber(std::string& text, const Fiber& fiber, std::int64_t now) {
    const Phase phase = fiber.phase.load(std::memory_order_acquire);
    text += "fiber " + std::to_string(fiber.id) + " '" + fiber.name + "' " + name_of(phase);
    if (phase == Phase::parked) text += std::string(" in ") + fiber.reason;
    if (phase == Phase::runnable && fiber.held_by) text += std::string(", waits for ") + fiber.reason;
    if (phase != Phase::running) text += ", " + std::to_string((now - fiber.since_ns) / 1'000'000) + " ms";
    text += '\n';
    if (phase == Phase::parked || (phase == Phase::runnable && !fiber.held_by)) {
        const Frames frames = frames_of(fiber);
        for (std::size_t i = 0; i < frames.count; ++i) append_frame(text, frames.addresses[i]);
    }
}

}  // namespace

void dump_all(Scheduler& scheduler, int fd) {
    constexpr std::size_t k_chunk = 64 * 1024;
    const std::int64_t now = now_ns();
    std::string text = "reeve: all fibers\n";
    std::size_t count = 0;
    scheduler.for_each_fiber([&](Fiber& fiber) {
        ++count;
        append_fiber(text, fiber, now);
        if (text.size() < k_chunk) return;
        write_out(fd, text);
        text.clear();
    });
    text += "reeve: " + std::to_string(count) + " fibers\n";
    write_out(fd, text);
}

void print_trace(Scheduler& scheduler, std::int64_t elapsed_ms) {
    std::uint64_t switches = 0;
    std::uint64_t steals = 0;
    std::size_t queued = 0;
    for (auto& processor : scheduler.processors) {
        switches += processor->counters.switches.value();
        steals += processor->counters.steals.value();
        queued += processor->queue.size();
    }
    warn("%lldms: processors %zu, idle %d, searching %d, threads %u, fibers %llu, local %zu, global %zu, returning %zu, "
         "preempted %zu, switches %llu, steals %llu, taken %llu, signals %llu",
         static_cast<long long>(elapsed_ms), scheduler.processors.size(), scheduler.idle.count(), scheduler.idle.searching(),
         scheduler.thread_count(), static_cast<unsigned long long>(scheduler.live_fibers()), queued,
         scheduler.global.size(), scheduler.returning.size(), scheduler.preempted.size(),
         static_cast<unsigned long long>(switches), static_cast<unsigned long long>(steals),
         static_cast<unsigned long long>(scheduler.monitor->taken.value()),
         static_cast<unsigned long long>(scheduler.monitor->signals.value()));
}

}  // namespace reeve::sched
