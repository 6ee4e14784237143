#include "runtime/sched/interrupted_call.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <sys/syscall.h>

#include "runtime/sched/code_map.hpp"

namespace reeve::sched {
namespace {

// Those that end with EINTR although SA_RESTART is set, and have done nothing when they do.
bool may_be_made_again(std::uint32_t number, const gregset_t& registers) {
    switch (number) {
        case SYS_nanosleep:
        case SYS_clock_nanosleep:
        case SYS_poll:
        case SYS_select:
        case SYS_epoll_wait:
        case SYS_read:  // of a socket with SO_RCVTIMEO, and so on
        case SYS_write:
        case SYS_recvfrom:
        case SYS_recvmsg:
        case SYS_sendto:
        case SYS_sendmsg:
        case SYS_accept:
        case SYS_accept4:
        case SYS_futex:
        case SYS_semop:
        case SYS_semtimedop:
        case SYS_msgrcv:
        case SYS_msgsnd:
        case SYS_rt_sigtimedwait:
        case SYS_io_uring_enter: return true;
        case SYS_ppoll: return registers[REG_R10] == 0;
        case SYS_epoll_pwait:
        case SYS_epoll_pwait2: return registers[REG_R8] == 0;
        case SYS_pselect6: return registers[REG_R9] == 0;
        default: return false;
    }
}

// Of the call that the instruction at `address` makes, where the code before it tells: mov $NUMBER,%eax (b8 and the number) or, for
// read, xor %eax,%eax (31 c0). glibc's wrappers may load some arguments after it: mov OFFSET(%rsp),%REGISTER (8b, maybe after a
// prefix of 4x).
std::optional<std::uint32_t> number_of_call(std::uintptr_t address) {
    constexpr int k_most_loads = 3;
    unsigned char code[24];
    const auto kind = code_map::kind_of(address - sizeof code);
    if ((kind != code_map::Kind::library && kind != code_map::Kind::program) || !code_map::is_system_call(address)) return std::nullopt;
    memcpy(code, reinterpret_cast<const void*>(address - sizeof code), sizeof code);
    const unsigned char* end = code + sizeof code;
    for (int loads = 0; loads <= k_most_loads; ++loads) {
        if (end[-5] == 0xb8) {
            std::uint32_t number = 0;
            memcpy(&number, end - 4, sizeof number);
            return number;
        }
        if (end[-2] == 0x31 && end[-1] == 0xc0 && end[-3] != 0x45) return SYS_read;
        if (end[-4] != 0x8b || (end[-3] & 0xc7) != 0x44 || end[-2] != 0x24) return std::nullopt;
        end -= (end[-5] & 0xf0) == 0x40 ? 5 : 4;
    }
    return std::nullopt;
}

}  // namespace

bool make_interrupted_call_again(ucontext_t& context) {
    auto& registers = context.uc_mcontext.gregs;
    const auto next = static_cast<std::uintptr_t>(registers[REG_RIP]);
    if (code_map::is_system_call(next)) {
        // SA_RESTART has set it back, or it was interrupted for a request of this thread to complete, before the signal came:
        // the kernel meant to continue it, but forgets how once a handler has run.
        if (registers[REG_RAX] == SYS_restart_syscall) registers[REG_RAX] = number_of_call(next).value_or(SYS_restart_syscall);
        return true;
    }
    if (registers[REG_RAX] != -EINTR) return false;
    const std::optional<std::uint32_t> number = number_of_call(next - 2);
    if (!number || !may_be_made_again(*number, registers)) return true;
    registers[REG_RAX] = *number;
    registers[REG_RIP] = static_cast<greg_t>(next - 2);
    return true;
}

}  // namespace reeve::sched
