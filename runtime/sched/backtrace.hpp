// Backtrace: where a fiber is, by frame pointers within its own stack.
//
// Programs and this library are built with frame pointers; a function without one is skipped or ends the walk. Signal-safe
// and allocation-free: the preemption handler takes the backtrace of a fiber that runs, for the dump.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace reeve::sched {

struct Fiber;

struct Backtrace {
    std::array<void*, 32> addresses;  // innermost first
    std::size_t count = 0;
    std::atomic<bool> is_taken{false};  // set with release by whoever took it for another thread

    // From a code address, its stack and frame pointer, up to `top`.
    void walk(std::uintptr_t address, std::uintptr_t stack_pointer, std::uintptr_t frame, std::uintptr_t top);
    // Of a fiber that is not running, preempted ones included. It may start to run meanwhile: then the words are stale or
    // torn, never outside the stack.
    void walk(const Fiber& fiber);
};

}  // namespace reeve::sched
