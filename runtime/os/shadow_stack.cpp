#include "runtime/os/shadow_stack.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"

namespace reeve::os {

void refuse_shadow_stack() {
#ifdef __x86_64__
    // Of <asm/prctl.h> in Linux 6.6. An older kernel, or one without, refuses the question.
    constexpr int k_status = 0x5005;
    constexpr unsigned long k_is_enabled = 1;
    unsigned long features = 0;
    if (syscall(SYS_arch_prctl, k_status, &features) == 0 && (features & k_is_enabled) != 0)
        fatal("this process has a shadow stack (CET), with which fibers cannot be switched: start it without "
              "glibc.cpu.hwcaps=SHSTK and glibc.cpu.x86_shstk=on in GLIBC_TUNABLES, or link it without -z shstk");
#endif
}

}  // namespace reeve::os
