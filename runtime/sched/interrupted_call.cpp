#include "runtime/sched/interrupted_call.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
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

}  // namespace

bool make_interrupted_call_again(ucontext_t& context) {
    auto& registers = context.uc_mcontext.gregs;
    const auto next = static_cast<std::uintptr_t>(registers[REG_RIP]);
    if (code_map::is_system_call(next)) return true;  // SA_RESTART has set it back
    if (registers[REG_RAX] != -EINTR) return false;
    // b8 and the number, 0f 05: mov $NUMBER,%eax; syscall. Or, for read, 31 c0: xor %eax,%eax.
    unsigned char code[7];
    const auto kind = code_map::kind_of(next - sizeof code);
    if (kind != code_map::Kind::library && kind != code_map::Kind::program) return true;
    memcpy(code, reinterpret_cast<const void*>(next - sizeof code), sizeof code);
    if (code[5] != 0x0f || code[6] != 0x05) return true;
    std::uint32_t number = SYS_read;
    if (code[0] == 0xb8)
        memcpy(&number, code + 1, sizeof number);
    else if (code[3] != 0x31 || code[4] != 0xc0)
        return true;
    if (!may_be_made_again(number, registers)) return true;
    registers[REG_RAX] = number;
    registers[REG_RIP] = static_cast<greg_t>(next - 2);
    return true;
}

}  // namespace reeve::sched
