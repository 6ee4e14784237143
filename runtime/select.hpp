// select: waits for the first of several channel operations, and does that one only; Go's select.
//
//     reeve::select(on_recv(answers, [&](reeve::Result<Answer> answer) { ... }),   // closed: a Result, too
//                   on_send(log, line, [&] { ... }),
//                   on_deadline(2s, [&] { ... }));
//
// Idea. If operations can be done at once, one of them, chosen at random with equal chances, is. Otherwise the caller
// parks in the queues of all the channels until a partner, the deadline or a cancellation claims its one wait. Exactly one
// operation is done; the others leave no trace. The chosen case's function is called after that, outside the runtime.
//
// on_recv(channel, fn)   fn(Result<T>): a value, or Errc::closed
// on_send(channel, value, fn)   fn() once the value has been passed on. Sending to a closed channel ends the select, too:
//                        then a fn(Result<void>) gets Errc::closed and a fn() is not called, for nothing was sent
// on_deadline(d, fn)     fn() when nothing was ready until then; of several the earliest counts
// otherwise(fn)          fn() when nothing is ready now: such a select does not wait
// on_cancelled(fn)       fn() when the fiber was cancelled, or its own deadline (with_deadline) has passed, and nothing was ready
//
// Returns the index of the chosen case, counted from 0. When the fiber is cancelled and there is no on_cancelled, the
// cancellation goes, as everywhere, to whom it keeps waiting: the first case whose function takes a Result gets
// Errc::cancelled, as if it had been called alone, and its index is returned. Without such a case nothing is called and
// k_select_cancelled is returned. Like the plain operations, a select of a cancelled fiber still does what needs no waiting.
//
// `when(condition, on_recv(...))` leaves the case out unless the condition holds (in Go: a nil channel): a closed channel
// is always ready. A channel may appear in several cases, as sender and as receiver; a select never meets itself. No case
// that could happen: it waits until it is cancelled, as Go's empty select does.
//
// A number of cases known only at run time: a std::vector<SelectCase>, which may be used again and again, by one fiber at a
// time. A send case whose value has gone is left out from then on.
//
// May park, unless there is an otherwise. Fibers and plain threads; not signal-safe. It takes the locks of all its channels.
#pragma once

#include <array>
#include <concepts>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "runtime/channel.hpp"
#include "runtime/select_case.hpp"

namespace reeve {

inline constexpr int k_select_cancelled = -1;

template <class T, class F>
    requires std::invocable<std::decay_t<F>&, Result<T>>
auto on_recv(const Channel<T>& channel, F&& fn) {
    return sched::ReceiveCase<T, std::decay_t<F>>(channel, std::forward<F>(fn));
}

template <class T, class F>
    requires(std::invocable<std::decay_t<F>&> || std::invocable<std::decay_t<F>&, Result<void>>)
auto on_send(const Channel<T>& channel, std::type_identity_t<T> value, F&& fn) {
    return sched::SendCase<T, std::decay_t<F>>(channel, std::move(value), std::forward<F>(fn));
}

template <std::invocable F>
auto on_deadline(Deadline deadline, F&& fn) {
    return sched::PlainCase<std::decay_t<F>>(sched::CaseKind::deadline, deadline, std::forward<F>(fn));
}

template <std::invocable F>
auto otherwise(F&& fn) {
    return sched::PlainCase<std::decay_t<F>>(sched::CaseKind::otherwise, {}, std::forward<F>(fn));
}

template <std::invocable F>
auto on_cancelled(F&& fn) {
    return sched::PlainCase<std::decay_t<F>>(sched::CaseKind::cancelled, {}, std::forward<F>(fn));
}

template <class C>
    requires std::derived_from<C, sched::CaseBase>
C when(bool condition, C one) {
    one.is_enabled = condition;
    return one;
}

// Any case, for a vector of them.
class SelectCase {
public:
    template <class C>
        requires std::derived_from<C, sched::CaseBase>
    SelectCase(C one) : case_(std::make_unique<C>(std::move(one))) {}

    // A disabled case is left out, as with when().
    void enable(bool enabled = true) { case_->is_enabled = enabled; }

private:
    friend int select(std::span<SelectCase> cases);
    std::unique_ptr<sched::CaseBase> case_;
};

int select(std::span<SelectCase> cases);

template <class... Cases>
    requires(std::derived_from<std::remove_reference_t<Cases>, sched::CaseBase> && ...)
int select(Cases&&... cases) {
    std::array<sched::CaseBase*, sizeof...(Cases)> all{&cases...};
    return sched::select_among(all);
}

}  // namespace reeve
