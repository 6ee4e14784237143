// Side, jump: leaving one stack for another.
//
// Idea. A Side is one end of a switch: a fiber's stack or the scheduler's own. jump() saves the callee-saved registers
// on the stack that is left and continues where the other side was left, or in its entry function the first time. It
// knows nothing of scheduling; it is the only code that knows Boost.Context and the sanitizers' view of stacks.
//
// Callers: the scheduler, in the runtime (not preemptible), never from a signal handler. No side is entered by two
// threads at once; the caller of jump() sees to that by publishing the side it left only after the jump has arrived.
// C++ exception globals and errno belong to threads, not stacks: see exception_state.hpp and the scheduler.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REEVE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REEVE_SANITIZED 1
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#else
#define __SANITIZE_THREAD__ 1
#endif
#endif
#endif

namespace reeve::context {

struct Traveller;

struct Side {
    void* saved = nullptr;  // where it continues; written by the side that is entered, once this one is left
    void (*entry)(Traveller& who) = nullptr;
#ifdef REEVE_SANITIZED
    const void* bottom = nullptr;  // the extent of the stack
    std::size_t bytes = 0;
    void* fake_stack = nullptr;
    void* tsan_fiber = nullptr;
#endif
};

// Who goes from side to side, a base of what is to be known on arrival. It does not lie on the stack that is left: that may be
// cold when it is entered again, and holds only what must be there.
struct Traveller {
    Side* from = nullptr;
    Side* to = nullptr;
};

// Prepares `side` so that the first jump to it calls entry(who) on the stack that ends at `top` (exclusive). `entry`
// never returns and lets no exception out.
void prepare(Side& side, std::byte* bottom, std::byte* top, void (*entry)(Traveller& who));

// Makes `side` stand for the stack of the calling thread.
void adopt_thread(Side& side);

// Forgets what the sanitizers keep for a side that will not be entered again.
void retire(Side& side);
// Only what they keep of the stack's memory, before that goes back to the kernel: for a side that was left in the middle for good.
void forget_frames(const Side& side);

// Leaves the current stack, which `from` stands for, for `to`. Returns when somebody jumps back, and says who did; that may
// be on another thread. `for_good`: this side will never be entered again.
Traveller& jump(Side& from, Side& to, Traveller& who, bool for_good = false);

// The frame pointer and the return address where a side that is not running, and whose `saved` is this, will continue; for
// backtraces.
struct Resume {
    void* frame_pointer;
    void* address;
};
[[nodiscard]] Resume resume_point(const void* saved);

}  // namespace reeve::context

