#include "runtime/context/context.hpp"

#include <boost/context/detail/fcontext.hpp>
#include <pthread.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif
#ifdef REEVE_SANITIZED
// ThreadSanitizer keeps a shadow call stack per fiber. The function that switches must not be instrumented, or its
// own entry and exit would land on two different shadow stacks. AddressSanitizer may put locals on a stack of its own, which
// ends with the fiber, before the arrival has read what lies there.
#define REEVE_PLAIN_SWITCH __attribute__((no_sanitize("address", "thread"), noinline))
#else
#define REEVE_PLAIN_SWITCH
#endif

namespace reeve::context {
namespace {

namespace boost_context = boost::context::detail;

Traveller& arrive(boost_context::transfer_t transfer) {
    auto& who = *static_cast<Traveller*>(transfer.data);
    who.from->saved = transfer.fctx;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(who.to->fake_stack, nullptr, nullptr);
#endif
    return who;
}

}  // namespace
}  // namespace reeve::context

// jump_fcontext() continues the other stack with a jump, where processors expect a return: the prediction of this and of every
// return above it would fail, some 5 ns each. Called with a return address of ours beneath, it jumps to a `ret` that matches
// the call of reeve_jump, which is the same on both stacks. (Signature of jump_fcontext; System V, x86-64.)
extern "C" boost::context::detail::transfer_t reeve_jump(boost::context::detail::fcontext_t to, void* data);
asm(R"(
    .pushsection .text
    .p2align 4
    .globl reeve_jump
    .type reeve_jump, @function
reeve_jump:
    .cfi_startproc
    leaq 1f(%rip), %rax
    pushq %rax
    .cfi_adjust_cfa_offset 8
    jmp *jump_fcontext@GOTPCREL(%rip)
1:
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size reeve_jump, . - reeve_jump
    .popsection
)");

// A name of its own, C linkage, so that profilers and backtraces can find the bottom of a fiber.
extern "C" void reeve_fiber_entry(boost::context::detail::transfer_t transfer) {
    using namespace reeve::context;
    Traveller& who = arrive(transfer);
    who.to->entry(who);
    __builtin_unreachable();
}

namespace reeve::context {

void prepare(Side& side, std::byte* bottom, std::byte* top, void (*entry)(Traveller& who)) {
    const auto bytes = static_cast<std::size_t>(top - bottom);
    side.entry = entry;
    side.saved = boost_context::make_fcontext(top, bytes, reeve_fiber_entry);
#ifdef REEVE_SANITIZED
    side.bottom = bottom;
    side.bytes = bytes;
    side.fake_stack = nullptr;
#endif
#ifdef __SANITIZE_THREAD__
    side.tsan_fiber = __tsan_create_fiber(0);
#endif
}

void adopt_thread(Side& side) {
#ifdef REEVE_SANITIZED
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    void* bottom = nullptr;
    pthread_attr_getstack(&attributes, &bottom, &side.bytes);
    side.bottom = bottom;
    pthread_attr_destroy(&attributes);
#endif
#ifdef __SANITIZE_THREAD__
    side.tsan_fiber = __tsan_get_current_fiber();
#endif
    side.saved = nullptr;
}

void forget_frames([[maybe_unused]] const Side& side) {
#ifdef __SANITIZE_ADDRESS__
    // They were left without returning from them; their red zones must not greet the memory's next user.
    __asan_unpoison_memory_region(side.bottom, side.bytes);
#endif
}

void retire([[maybe_unused]] Side& side) {
    forget_frames(side);
#ifdef __SANITIZE_THREAD__
    __tsan_destroy_fiber(side.tsan_fiber);
#endif
}

REEVE_PLAIN_SWITCH Traveller& jump(Side& from, Side& to, Traveller& who, [[maybe_unused]] bool for_good) {
    who.from = &from;
    who.to = &to;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_stack, to.bottom, to.bytes);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
    return arrive(reeve_jump(to.saved, &who));
}

// For the dump, beside a fiber that may start to run.
__attribute__((no_sanitize("address", "thread"))) Resume resume_point(const void* saved) {
    // What jump_fcontext pushes on x86-64 (System V): control words, r12 to r15, rbx, rbp, return address (in reeve_jump).
    auto words = static_cast<void* const*>(saved);
    return {words[6], words[7]};
}

}  // namespace reeve::context
