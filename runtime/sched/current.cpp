#include "runtime/sched/current.hpp"

#include "runtime/sched/fiber.hpp"

namespace reeve::sched {
namespace {

[[gnu::tls_model("initial-exec")]] thread_local Worker* t_worker = nullptr;
thread_local ThreadParkable t_parkable;

}  // namespace

// The empty asm keeps the function from being taken for pure, and its calls from being merged.
[[gnu::noinline]] Worker* current_worker() {
    asm volatile("" ::: "memory");
    return t_worker;
}

[[gnu::noinline]] void set_current_worker(Worker* worker) {
    asm volatile("" ::: "memory");
    t_worker = worker;
}

[[gnu::noinline]] ThreadParkable& current_thread_parkable() {
    asm volatile("" ::: "memory");
    return t_parkable;
}

}  // namespace reeve::sched
