#include "runtime/base/barrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"

namespace reeve {

bool g_light_barriers = false;

void enable_light_barriers() {
    g_light_barriers = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void heavy_barrier() {
    if (!g_light_barriers)
        full_barrier();
    else if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
        fatal("the kernel refused a memory barrier it had promised");
}

}  // namespace reeve
