// gather: runs functions as fibers, waits for all, returns their results in order.
//
// The first exception cancels the others and is rethrown after all have ended; so nothing that was captured by reference
// is used after gather has returned. When the calling fiber is cancelled its children are too. It costs the longest, not
// the sum. May park. Fibers and plain threads while run() is active.
#pragma once

#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/go.hpp"

namespace reeve {

namespace sched {

// The children of one gather. The parent adds and waits; a child reports its failure.
class FiberGroup {
public:
    // Runs `body` in a fiber of the group; what it throws is kept if it is the first.
    template <class F>
    void start(F&& body) {
        joins_.push_back(spawn([this, inner = std::forward<F>(body)]() mutable {
            try {
                inner();
            } catch (...) {
                fail(std::current_exception());
            }
            child_ended();
        }));
    }
    void wait();  // for all; rethrows the first exception

private:
    void fail(std::exception_ptr error);
    void child_ended();
    void cancel_all();
    // Waits until all have ended, or, `or_failure`, one has failed. False: the wait was cancelled.
    bool wait_until(bool or_failure, Cancellable cancellable);

    SpinLock lock_;
    WaitQueue waiters_;
    std::size_t ended_ = 0;
    std::exception_ptr error_;
    std::vector<Join<void>> joins_;
};

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
    sched::FiberGroup group;
    std::apply([&](auto&... slot) { (group.start(sched::run_into(slot, bodies)), ...); }, slots);
    group.wait();
    return std::apply([](auto&... slot) { return std::make_tuple(slot.take()...); }, slots);
}

template <class F>
auto gather(std::vector<F> bodies) {
    using T = std::invoke_result_t<F&>;
    std::vector<sched::ReturnSlot<T>> slots(bodies.size());
    sched::FiberGroup group;
    for (std::size_t i = 0; i < bodies.size(); ++i) group.start([&slots, &bodies, i] { slots[i].run(bodies[i]); });
    group.wait();
    if constexpr (!std::is_void_v<T>) {
        std::vector<T> results;
        results.reserve(slots.size());
        for (auto& slot : slots) results.push_back(slot.take());
        return results;
    }
}

}  // namespace reeve
