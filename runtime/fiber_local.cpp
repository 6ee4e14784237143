#include "runtime/fiber_local.hpp"

#include <atomic>

#include "runtime/sched/belongings.hpp"

namespace reeve::sched {

std::uint64_t new_local_id() {
    static std::atomic<std::uint64_t> s_next{1};
    return s_next.fetch_add(1, std::memory_order_relaxed);
}

void* find_local(std::uint64_t id) {
    const Belongings* own = current_parkable().belongings.load(std::memory_order_relaxed);
    if (!own) return nullptr;
    for (const Belongings::Local& local : own->locals)
        if (local.id == id) return local.object;
    return nullptr;
}

void add_local(std::uint64_t id, void* object, void (*destroy)(void* object)) {
    belongings_of(current_parkable()).locals.push_back({id, object, destroy});
}

}  // namespace reeve::sched
