// Fiber: what go and spawn start. It lies at the top of its own stack, so that a parked fiber costs one page.
//
// Who may touch what: `state` anybody (see there); `phase`, `held_by`, `reason` and `name` are read by the dump and the profiler,
// too, but written only by the holder of the fiber; all the rest belongs to whoever holds the fiber: the worker that runs it,
// the run queue it is in, or the waker that will schedule it. Memory of fibers is type-stable (context/stack.hpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/context/context.hpp"
#include "runtime/context/exception_state.hpp"
#include "runtime/context/stack.hpp"
#include "runtime/os/futex.hpp"
#include "runtime/sched/blocker.hpp"
#include "runtime/sched/fiber_state.hpp"

namespace reeve::sched {

struct Belongings;
class JoinCore;
class Worker;

// Whoever can wait: a fiber, or a plain OS thread that calls the same functions.
struct Parkable {
    FiberState state;
    std::atomic<Belongings*> belongings{nullptr};  // most have none; its own, but the dump reads the labels (belongings.hpp)
    bool is_fiber = false;
};

struct ThreadParkable : Parkable {
    os::Parker parker;
};

enum class Phase : std::uint8_t { free, runnable, running, parked, preempted };

struct Fiber : Parkable, ListNode<Fiber> {  // the link of the queue it is in
    static constexpr std::size_t k_name_bytes = 32;

    std::atomic<Phase> phase;
    bool holds_hook;                // `on_park` is set
    bool has_begun;                 // it has run: its stack is in use
    unsigned pins;                  // guards that keep it on its thread (pin_to_thread.hpp)
    std::atomic<Worker*> held_by;   // the thread that keeps this fiber (preempted, returning, pinned), null otherwise
    context::Side side;
    context::ExceptionState exceptions;
    int saved_errno;
    bool bequeaths;                 // it has a name or labels that fibers it starts get, too
    std::uint64_t id;
    void (*run)(void* closure);     // runs and destroys the closure
    void* closure;
    JoinCore* join;                 // to be told of its end, or null
    void (*on_park)(void* hook);    // called once, in the runtime, before the fiber first parks
    void* hook;
    const char* reason;             // what it waits for: a string constant
    std::int64_t since_ns;          // when it was made, then when it last parked, as the processor's clock said
    std::atomic<Blocker> blocker;   // who must act to end its wait, and until when it waits for that (wait_circles.hpp)
    std::atomic<std::int64_t> blocked_until_ns;
    std::atomic<const void*> group; // the FiberGroup that waits for it, if one does
    std::uintptr_t interrupted_at[3];  // code address, stack and frame pointer where it was preempted
    context::StackPool* pool;
    context::Stack stack;
    char name[k_name_bytes];

    // Where the fiber of a stack lies. Eight places, so that the busiest lines of fibers, whose stacks all end at the
    // same offset of a page, do not fall into the same sets of the first-level cache.
    static Fiber* of(const context::Stack& stack) {
        const auto top = reinterpret_cast<std::uintptr_t>(stack.top);
        const std::uintptr_t colour = (top >> 14) * 0x9e3779b97f4a7c15U >> 61;
        return reinterpret_cast<Fiber*>((top - colour * 64 - sizeof(Fiber)) & ~std::uintptr_t{63});
    }
};

// Begins to bring into the caches what is touched when one that waited for long is made ready and goes on. For several in a row:
// then they are fetched at the same time. Touches nothing.
inline void fetch(const Parkable& who) {
    constexpr std::size_t k_line = 64;
    constexpr std::size_t k_lines = 3;
    const auto* first = reinterpret_cast<const std::byte*>(&who);
    for (std::size_t i = 0; i < k_lines; ++i) __builtin_prefetch(first + i * k_line, 1);
}

// The calling fiber, or what stands for the calling plain OS thread. Any thread.
Parkable& current_parkable();
// Makes one go on whose wait is over and whose stack was left. In the runtime, holding no lock.
void schedule(Parkable& who);

// Calls the closure; an exception that escapes it ends the process with the fiber's id and name (go.cpp).
void run_closure(Fiber& fiber) noexcept;

}  // namespace reeve::sched
