#include "runtime/os/interruptible_call.hpp"

#include <cerrno>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "runtime/os/io_engine.hpp"
#include "runtime/os/system_call.hpp"

static_assert(sizeof(std::atomic<std::uint32_t>) == 4);

// long reeve_interruptible_call(const uint32_t* gives_up, long number, const long* six_arguments)
// %rbx holds gives_up where a handler may look for it.
asm(R"(
    .text
    .p2align 4
    .type reeve_interruptible_call, @function
    .globl reeve_interruptible_call
    .hidden reeve_interruptible_call
reeve_interruptible_call:
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov %rdi, %rbx
    mov %rsi, %rax
    mov %rdx, %rcx
    mov 0(%rcx), %rdi
    mov 8(%rcx), %rsi
    mov 16(%rcx), %rdx
    mov 24(%rcx), %r10
    mov 32(%rcx), %r8
    mov 40(%rcx), %r9
    .globl reeve_interruptible_call_begin
    .hidden reeve_interruptible_call_begin
reeve_interruptible_call_begin:
    cmpl $0, (%rbx)
    jne reeve_interruptible_call_given_up
    syscall
    .globl reeve_interruptible_call_end
    .hidden reeve_interruptible_call_end
reeve_interruptible_call_end:
    pop %rbx
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
    .globl reeve_interruptible_call_given_up
    .hidden reeve_interruptible_call_given_up
reeve_interruptible_call_given_up:
    .cfi_restore_state
    mov $-4, %rax
    jmp reeve_interruptible_call_end
    .cfi_endproc
    .size reeve_interruptible_call, . - reeve_interruptible_call
)");

extern "C" {
long reeve_interruptible_call(const std::atomic<std::uint32_t>* gives_up, long number, const long* arguments);
extern const char reeve_interruptible_call_begin[];
extern const char reeve_interruptible_call_end[];
extern const char reeve_interruptible_call_given_up[];
}

namespace reeve::os {
namespace {

constexpr std::uint64_t k_current_position = ~std::uint64_t{0};

std::uintptr_t place(const char* label) { return reinterpret_cast<std::uintptr_t>(label); }

}  // namespace

long interruptible_system_call(const Request& request, const std::atomic<std::uint32_t>& gives_up) {
    const auto call = [&gives_up, &request](long number, long third, long fourth) {
        const long arguments[6] = {request.fd, reinterpret_cast<long>(request.address), third, fourth, 0, 0};
        return reeve_interruptible_call(&gives_up, number, arguments);
    };
    const auto length = static_cast<long>(request.length);
    const auto flags = static_cast<long>(request.flags);
    const bool is_here = request.offset == k_current_position;
    const auto offset = static_cast<long>(request.offset);
    switch (request.opcode) {
        case Opcode::open: return call(SYS_openat, flags, length);
        case Opcode::read: return call(is_here ? SYS_read : SYS_pread64, length, offset);
        case Opcode::write: {
            if (const int kind = write_flags(); kind != 0) {
                const iovec one{const_cast<void*>(request.address), request.length};
                const long arguments[6] = {request.fd, reinterpret_cast<long>(&one), 1, offset, 0, kind};
                const long result = reeve_interruptible_call(&gives_up, SYS_pwritev2, arguments);
                if (result != -EOPNOTSUPP) return result;
            }
            return call(is_here ? SYS_write : SYS_pwrite64, length, offset);
        }
        case Opcode::accept: {
            const long arguments[6] = {request.fd, 0, 0, flags, 0, 0};
            return reeve_interruptible_call(&gives_up, SYS_accept4, arguments);
        }
        case Opcode::connect: return call(SYS_connect, length, 0);
        default: return system_call(request);
    }
}

void give_up_interrupted_call(ucontext_t& context) {
    auto& registers = context.uc_mcontext.gregs;
    const auto next = static_cast<std::uintptr_t>(registers[REG_RIP]);
    if (next < place(reeve_interruptible_call_begin) || next >= place(reeve_interruptible_call_end)) return;
    const auto* gives_up = reinterpret_cast<const std::atomic<std::uint32_t>*>(registers[REG_RBX]);
    if (gives_up->load(std::memory_order_relaxed) != 0)
        registers[REG_RIP] = static_cast<greg_t>(place(reeve_interruptible_call_given_up));
}

}  // namespace reeve::os
