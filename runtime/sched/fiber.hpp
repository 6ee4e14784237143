// Fiber: what go and spawn start. A record of three cache lines, packed with others (fiber_pool.hpp), and, from when it is first
// run, a stack. A parked fiber costs its record and one page.
//
// Idea. Whoever wakes a fiber, queues it, or starts one touches records only, which are close together; the stack, a page of its
// own that has left the caches and the page tables' caches by the time a long wait ends, is touched by who runs it. What only the
// fiber itself needs lies at the top of its stack (StackHead).
//
// Who may touch what: `state` anybody (see there); `phase`, `held_by`, `reason`, `blocker` and what lies in the head are read by
// the dump, the profiler and whoever looks for circles, too, but written only by the holder of the fiber; all the rest belongs to
// whoever holds the fiber: the worker that runs it, the run queue it is in, or the waker that will schedule it. Memory of records
// is type-stable (fiber_pool.hpp).
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
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {

struct Belongings;
class JoinCore;
class Worker;

// Whoever can wait: a fiber, or a plain OS thread that calls the same functions.
struct Parkable {
    FiberState state;
    std::atomic<Belongings*> belongings{nullptr};  // most have none; its own, but the dump reads the labels (belongings.hpp)
    static constexpr std::uint32_t k_no_timer = ~std::uint32_t{0};
    std::atomic<std::uint32_t> timer_place{k_no_timer};  // where its wait stands in Timers, which write it
    bool is_fiber = false;
    static constexpr std::uint8_t k_first_room = 1;
    static constexpr std::uint8_t k_second_room = 2;
    std::uint8_t rooms_taken = 0;  // by a Wait each (wait_queue.hpp); the first also while a fiber's seed is being emptied
    static constexpr std::uint8_t free_room(std::uint8_t taken) {  // 0: none
        return (taken & k_first_room) == 0 ? k_first_room : (taken & k_second_room) == 0 ? k_second_room : std::uint8_t{0};
    }
};

struct ThreadParkable : Parkable {
    os::Parker parker;
    WaiterRoom rooms[2];
};

enum class Phase : std::uint8_t { free, runnable, running, parked, preempted };

// What a fiber will run. `closure` holds the function object, or a pointer to it where it is too large or must stay in place.
struct Seed {
    void (*run)(void* closure);  // takes it out of there first; destroys it
    alignas(8) std::byte closure[k_seed_bytes];
};

// At the top of a fiber's stack, made when the fiber gets it. Its frames follow below: what every fiber needs comes first, in the
// line that is next to them.
struct StackHead {
    static constexpr std::size_t k_name_bytes = 32;

    context::Stack stack;
    context::StackPool* pool;
    std::byte* frames_top;             // where the fiber's frames begin
    std::atomic<const void*> group;    // the FiberGroup that waits for the fiber, if one does
    char name[k_name_bytes];
    context::ExceptionState exceptions;
    std::atomic<std::int64_t> blocked_until_ns;  // for how long it waits for its `blocker`
    void (*on_park)(void* hook);       // called once, in the runtime, before the fiber first parks
    void* hook;
    std::uintptr_t interrupted_at[3];  // code address, stack and frame pointer where it was preempted
    WaiterRoom second_room;            // for a wait within the life of another (wait_queue.hpp)

    // At the top, in one of eight places, so that the busiest lines of stacks, which all end at the same offset of a page, do not
    // fall into the same sets of the first-level cache.
    static StackHead* of(const context::Stack& stack) {
        const auto top = reinterpret_cast<std::uintptr_t>(stack.top);
        const std::uintptr_t colour = (top >> 14) * 0x9e3779b97f4a7c15U >> 61;
        return reinterpret_cast<StackHead*>((top - colour * 64 - sizeof(StackHead)) & ~std::uintptr_t{63});
    }
};
static_assert(offsetof(StackHead, name) < 64);

// In what the list's node leaves free.
struct Numbered {
    std::uint32_t number = 0;  // of the record in its pool, which writes it
};

struct alignas(64) Fiber : ListNode<Fiber>, Numbered, Parkable {  // the link of the queue it is in
    static constexpr std::size_t k_name_bytes = StackHead::k_name_bytes;

    std::atomic<Phase> phase{Phase::free};
    bool holds_hook : 1 = false;    // `on_park` is set
    bool has_begun : 1 = false;     // it has run
    bool has_exceptions : 1 = false;  // its exceptions are in the head; most have none when they are switched away from
    bool bequeaths : 1 = false;     // it has a name or labels that fibers it starts get, too
    int saved_errno = 0;
    unsigned pins = 0;              // guards that keep it on its thread (pin_to_thread.hpp)
    std::atomic<Worker*> held_by{nullptr};  // the thread that keeps this fiber (preempted, returning, pinned), null otherwise

    union {
        Seed seed = {};             // until it begins
        WaiterRoom room;            // then: for the one wait that most have at a time (wait_queue.hpp)
    };

    context::Side side;
    std::atomic<StackHead*> head{nullptr};  // null: it has no stack yet
    std::int64_t since_ns = 0;      // when it was made, then when it last parked, as the processor's clock said
    const char* reason = "";        // what it waits for: a string constant
    std::atomic<Blocker> blocker;   // who must act to end its wait (wait_circles.hpp)
    std::uint64_t id = 0;
    JoinCore* join = nullptr;       // to be told of its end, or null

    // A record that was taken from the pool. Nobody else knows it yet.
    void renew(bool is_cancelled) {
        is_linked = false;
        state.reset(is_cancelled);
        belongings.store(nullptr, std::memory_order_relaxed);
        timer_place.store(k_no_timer, std::memory_order_relaxed);
        is_fiber = true;
        rooms_taken = 0;
        holds_hook = has_begun = has_exceptions = bequeaths = false;
        saved_errno = 0;
        pins = 0;
        held_by.store(nullptr, std::memory_order_relaxed);
        side.saved = nullptr;
        head.store(nullptr, std::memory_order_relaxed);
        reason = "";
        blocker.store({}, std::memory_order_relaxed);
        join = nullptr;
    }

    [[nodiscard]] StackHead& its_head() const { return *head.load(std::memory_order_relaxed); }
    // Empty when it has none. Others may read it while it changes; it always ends.
    [[nodiscard]] const char* name() const {
        const StackHead* own = head.load(std::memory_order_acquire);
        return own ? own->name : "";
    }
};
#ifndef REEVE_SANITIZED
static_assert(sizeof(Fiber) == 192);
#endif

// The calling fiber, or what stands for the calling plain OS thread. Any thread.
Parkable& current_parkable();
// Makes one go on whose wait is over and whose stack was left. In the runtime, holding no lock.
void schedule(Parkable& who);

// Calls the closure; an exception that escapes it ends the process with the fiber's id and name (go.cpp).
void run_closure(Fiber& fiber) noexcept;

}  // namespace reeve::sched
