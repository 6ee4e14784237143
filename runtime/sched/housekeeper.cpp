#include "runtime/sched/housekeeper.hpp"

#include <cstddef>

#include "runtime/base/assert.hpp"
#include "runtime/os/thread.hpp"
#include "runtime/sched/code_map.hpp"
#include "runtime/sched/dump.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

constexpr std::size_t k_trimmed_stacks = 16;  // at once: some 50 us with the pool's lock

}  // namespace

void Housekeeper::start() {
    const int error = os::start_thread(
        thread_, "reeve-keeper", 0, [](void* raw) { static_cast<Housekeeper*>(raw)->main(); }, this);
    if (error != 0) fatal("cannot start the housekeeper thread (errno %d): check `ulimit -u`", error);
}

void Housekeeper::stop() {
    is_stopping_.store(true, std::memory_order_release);
    parker_.wake();
    pthread_join(thread_, nullptr);
}

void Housekeeper::main() {
    while (!is_stopping_.load(std::memory_order_acquire)) {
        parker_.park();
        const std::uint32_t wanted = wanted_.exchange(0, std::memory_order_acq_rel);
        if ((wanted & spares) != 0) scheduler_.refill_spares();
        if ((wanted & code_map) != 0) code_map::refresh();
        if ((wanted & dump) != 0) dump_all(scheduler_, 2);
        if ((wanted & trace) != 0) print_trace(scheduler_);
        if ((wanted & deadlock) != 0) scheduler_.deadlock_check.check();
        if ((wanted & circles) != 0) scheduler_.wait_circles.check();  // after those who print all fibers, with the circles
        if ((wanted & stacks) != 0)
            while (scheduler_.stacks.trim(k_trimmed_stacks) && wanted_.load(std::memory_order_relaxed) == 0 &&
                   !is_stopping_.load(std::memory_order_relaxed)) {
            }
    }
}

}  // namespace reeve::sched
