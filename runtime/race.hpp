// race: runs functions as fibers, returns what the first to finish returned (JavaScript's Promise.race).
//
// The others are cancelled, and race returns only once they have ended: nothing that was captured by reference is used
// afterwards, and an answer that is late costs as long as the losers take to notice. Finishing by an exception is finishing,
// too: it is rethrown. What losers return or throw is dropped. Functions that all return the same type give that; otherwise the result is a
// std::variant whose index says who won, std::monostate standing for void.
//
// When the calling fiber is cancelled its children are, too, and the first of them to finish still counts; they have its
// deadline (with_deadline.hpp). May park. Fibers and plain threads while run() is active.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/fiber_group.hpp"
#include "runtime/go.hpp"

namespace reeve {

namespace sched {

// Who has won.
class Finish {
public:
    explicit Finish(FiberGroup& group) : group_(group) {}

    template <class T, class F>
    void run(std::size_t number, ReturnSlot<T>& slot, F& body) {
        std::exception_ptr error;
        try {
            slot.run(body);
        } catch (...) {
            error = std::current_exception();
        }
        std::size_t nobody = k_nobody;
        if (!winner_.compare_exchange_strong(nobody, number)) return;
        error_ = std::move(error);
        group_.cancel(Error(Errc::cancelled, "another fiber won the race"));
    }

    // Once all have ended.
    std::size_t winner() {
        if (error_) std::rethrow_exception(std::move(error_));
        return winner_.load();
    }

private:
    static constexpr std::size_t k_nobody = ~std::size_t{0};

    FiberGroup& group_;
    std::atomic<std::size_t> winner_{k_nobody};
    std::exception_ptr error_;  // the winner's
};

template <class T, class F>
auto run_to_finish(Finish& finish, std::size_t number, ReturnSlot<T>& slot, F& body) {
    return [&finish, number, &slot, &body] { finish.run(number, slot, body); };
}

template <class Slots, std::size_t... I>
auto winners_value(Slots& slots, std::size_t winner, std::index_sequence<I...>) {
    using First = decltype(std::get<0>(slots).take());
    if constexpr ((std::is_same_v<First, decltype(std::get<I>(slots).take())> && ...)) {
        std::optional<First> value;
        ((I == winner ? (void)value.emplace(std::get<I>(slots).take()) : void()), ...);
        return std::move(*value);
    } else {
        using Any = std::variant<std::conditional_t<std::is_same_v<decltype(std::get<I>(slots).take()), ReturnSlot<void>::Nothing>,
                                                    std::monostate, decltype(std::get<I>(slots).take())>...>;
        std::optional<Any> value;
        const auto keep = [&](auto index, auto taken) {
            if constexpr (std::is_same_v<decltype(taken), ReturnSlot<void>::Nothing>)
                value.emplace(std::in_place_index<decltype(index)::value>);
            else
                value.emplace(std::in_place_index<decltype(index)::value>, std::move(taken));
        };
        ((I == winner ? keep(std::integral_constant<std::size_t, I>(), std::get<I>(slots).take()) : void()), ...);
        return std::move(*value);
    }
}

}  // namespace sched

template <class... F>
    requires(sizeof...(F) >= 1 && (std::is_invocable_v<std::decay_t<F>&> && ...))
auto race(F&&... bodies) {
    std::tuple<sched::ReturnSlot<std::invoke_result_t<std::decay_t<F>&>>...> slots;
    sched::FiberGroup group("race");
    sched::Finish finish(group);
    std::size_t number = 0;
    std::apply([&](auto&... slot) { (group.start({}, sched::run_to_finish(finish, number++, slot, bodies)), ...); }, slots);
    group.leave();
    const std::size_t winner = finish.winner();
    if constexpr (!(std::is_void_v<std::invoke_result_t<std::decay_t<F>&>> && ...))
        return sched::winners_value(slots, winner, std::index_sequence_for<F...>());
}

// At least one.
template <class F>
auto race(std::vector<F> bodies) {
    using T = std::invoke_result_t<F&>;
    if (bodies.empty()) fatal("race() of nothing");
    std::vector<sched::ReturnSlot<T>> slots(bodies.size());
    sched::FiberGroup group("race");
    sched::Finish finish(group);
    for (std::size_t i = 0; i < bodies.size(); ++i)
        group.start({}, [&finish, &slots, &bodies, i] { finish.run(i, slots[i], bodies[i]); });
    group.leave();
    const std::size_t winner = finish.winner();
    if constexpr (!std::is_void_v<T>) return slots[winner].take();
}

}  // namespace reeve
