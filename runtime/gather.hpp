// gather: runs functions as fibers, waits for all, returns their results in order (asyncio.gather, Go's errgroup).
//
// The first exception cancels the others and is rethrown after all have ended; later ones are dropped. So nothing that was
// captured by reference is used after gather has returned. When the calling fiber is cancelled its children are too; they
// have its deadline (with_deadline.hpp). A function without a result has an empty value. It costs the longest, not the sum.
// May park. Fibers and plain threads while run() is active.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/fiber_group.hpp"
#include "runtime/go.hpp"

namespace reeve {

namespace sched {

// A function of its own: Clang 14 crashes at a lambda that captures an element of a pack.
template <class T, class F>
auto run_into(ReturnSlot<T>& slot, F& body) {
    return [&slot, &body] { slot.run(body); };
}

}  // namespace sched

template <class... F>
    requires(sizeof...(F) >= 1 && (std::is_invocable_v<std::decay_t<F>&> && ...))
auto gather(F&&... bodies) {
    std::tuple<sched::ReturnSlot<std::invoke_result_t<std::decay_t<F>&>>...> slots;
    sched::FiberGroup group("gather");
    std::apply([&](auto&... slot) { (group.start({}, sched::run_into(slot, bodies)), ...); }, slots);
    group.leave();
    group.rethrow();
    return std::apply([](auto&... slot) { return std::make_tuple(slot.take()...); }, slots);
}

template <class F>
auto gather(std::vector<F> bodies) {
    using T = std::invoke_result_t<F&>;
    std::vector<sched::ReturnSlot<T>> slots(bodies.size());
    sched::FiberGroup group("gather");
    for (std::size_t i = 0; i < bodies.size(); ++i) group.start({}, [&slots, &bodies, i] { slots[i].run(bodies[i]); });
    group.leave();
    group.rethrow();
    if constexpr (!std::is_void_v<T>) {
        std::vector<T> results;
        results.reserve(slots.size());
        for (auto& slot : slots) results.push_back(slot.take());
        return results;
    }
}

}  // namespace reeve
