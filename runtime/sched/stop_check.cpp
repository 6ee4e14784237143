#include "runtime/sched/stop_check.hpp"

#include <algorithm>
#include <cstdint>

#include "runtime/os/held_locks.hpp"
#include "runtime/sched/code_map.hpp"
#include "runtime/sched/fiber.hpp"

namespace reeve::sched {
namespace {

using code_map::Kind;

// The fiber's own entry returns into Boost's trampoline, at the very top of its stack: no caller.
constexpr std::uintptr_t k_bottom_frame = 256;

bool is_library(std::uintptr_t address) { return code_map::kind_of(address) == Kind::library; }

// Is no library function among the callers? By frame pointers when they lead cleanly to the bottom of the stack; else
// every word of the stack is taken for a return address (more than there are, never fewer).
// Reads words of a stack that AddressSanitizer takes for padding, and that other threads wrote, or are about to (an atomic of the
// interrupted code): any value is as good as any other.
__attribute__((noinline, no_sanitize("address", "thread"))) bool has_library_caller(std::uintptr_t stack_pointer,
                                                                                   std::uintptr_t frame, std::uintptr_t top) {
    constexpr int k_frames = 64;
    for (int i = 0; i < k_frames; ++i) {
        if (frame < stack_pointer || frame + 16 > top || frame % 8 != 0) break;
        const auto* words = reinterpret_cast<const std::uintptr_t*>(frame);
        if (is_library(words[1])) return frame + k_bottom_frame < top;
        if (words[0] <= frame) break;
        frame = words[0];
    }
    if (frame + k_bottom_frame >= top && frame < top) return false;
    constexpr std::uintptr_t k_scanned = 32 * 1024;
    const std::uintptr_t end = std::min(top, stack_pointer + k_scanned);
    for (std::uintptr_t at = stack_pointer & ~std::uintptr_t{7}; at + 8 <= end; at += 8)
        if (is_library(*reinterpret_cast<const std::uintptr_t*>(at)) && at + k_bottom_frame < top) return true;
    return false;
}

}  // namespace

std::optional<Refusal> why_not_stop(const Fiber& fiber, const ucontext_t& context) {
    const auto& registers = context.uc_mcontext.gregs;
    const auto code = static_cast<std::uintptr_t>(registers[REG_RIP]);
    const auto stack_pointer = static_cast<std::uintptr_t>(registers[REG_RSP]);
    const auto frame = static_cast<std::uintptr_t>(registers[REG_RBP]);
    const StackHead& head = fiber.its_head();
    const auto bottom = reinterpret_cast<std::uintptr_t>(head.stack.bottom);
    const auto top = reinterpret_cast<std::uintptr_t>(head.frames_top);
    if (stack_pointer < bottom || stack_pointer >= top) return Refusal::foreign_stack;
    if (os::held_locks() != 0) return Refusal::os_lock;
    const Kind kind = code_map::kind_of(code);
    if (kind == Kind::unknown) code_map::note_unknown();
    if (kind == Kind::unknown || kind == Kind::library) return Refusal::library;
    if (code_map::is_system_call(code - 2)) return Refusal::system_call;  // it sits in the kernel or has just returned
    if (has_library_caller(stack_pointer, frame, top)) return Refusal::library_caller;
    return std::nullopt;
}

}  // namespace reeve::sched
