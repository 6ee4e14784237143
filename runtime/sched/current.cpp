#include "runtime/sched/current.hpp"

#include "runtime/sched/fiber.hpp"

asm(R"(
    .pushsection .tbss, "awT", @nobits
    .p2align 3
    .globl reeve_current_worker
    .type reeve_current_worker, @object
    .size reeve_current_worker, 8
reeve_current_worker:
    .zero 8
    .popsection
)");

namespace reeve::sched {
namespace {

thread_local ThreadParkable t_parkable;

}  // namespace

void set_current_worker(WorkerEntry* worker) {
    asm volatile("movq reeve_current_worker@gottpoff(%%rip), %%rax\n\tmovq %0, %%fs:(%%rax)" : : "r"(worker) : "rax", "memory");
}

[[gnu::noinline]] ThreadParkable& current_thread_parkable() {
    asm volatile("" ::: "memory");
    return t_parkable;
}

}  // namespace reeve::sched
