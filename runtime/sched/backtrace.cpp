#include "runtime/sched/backtrace.hpp"

#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

__attribute__((no_sanitize("address", "thread"))) void Backtrace::walk(std::uintptr_t address, std::uintptr_t stack_pointer,
                                                               std::uintptr_t frame, std::uintptr_t top) {
    count = 0;
    if (address == 0) return;  // of a fiber that has gone on meanwhile
    addresses[count++] = reinterpret_cast<void*>(address);
    while (count < addresses.size() && frame >= stack_pointer && frame + 16 <= top && frame % 8 == 0) {
        const auto* words = reinterpret_cast<const std::uintptr_t*>(frame);
        if (words[1] == 0) return;
        addresses[count++] = reinterpret_cast<void*>(words[1]);
        if (words[0] <= frame) return;
        frame = words[0];
    }
}

__attribute__((no_sanitize("address", "thread"))) void Backtrace::walk(const Fiber& fiber) {
    count = 0;
    const StackHead* head = fiber.head.load(std::memory_order_acquire);
    if (!head) return;
    const auto bottom = reinterpret_cast<std::uintptr_t>(head->stack.bottom);
    const auto top = reinterpret_cast<std::uintptr_t>(head->frames_top);
    // Once: it may change while this looks.
    void* const volatile& changing = fiber.side.saved;
    const void* const left_at = changing;
    const auto saved = reinterpret_cast<std::uintptr_t>(left_at);
    if (fiber.phase.load(std::memory_order_acquire) == Phase::preempted) {
        const auto& at = head->interrupted_at;
        if (at[1] >= bottom && at[1] <= top) walk(at[0], at[1], at[2], top);
        return;
    }
    if (saved < bottom || saved + 64 > top) return;
    const context::Resume resume = context::resume_point(left_at);
    walk(reinterpret_cast<std::uintptr_t>(resume.address), saved, reinterpret_cast<std::uintptr_t>(resume.frame_pointer),
         top);
}

}  // namespace reeve::sched
