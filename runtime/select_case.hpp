// CaseBase, ReceiveCase, SendCase, PlainCase: what a select is made of. Internal to select.hpp.
//
// A case is used by one select at a time, on the stack or in the vector of its caller. It knows its channel and where the
// value comes from or goes to; select_among (select.cpp) decides when which of its functions is called.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "runtime/channel.hpp"

namespace reeve {

// A base of all cases, so that select(...) is found by its arguments, as on_recv is by its channel.
struct SelectArgument {};

namespace sched {

enum class CaseKind : std::uint8_t { receive, send, deadline, otherwise, cancelled };

class CaseBase : public SelectArgument {
public:
    CaseBase(CaseKind kind_, ChannelCore* channel_) : channel(channel_), kind(kind_) {}
    // Between selects only.
    CaseBase(CaseBase&& other) noexcept : channel(other.channel), kind(other.kind), is_enabled(other.is_enabled) {}
    CaseBase& operator=(CaseBase&&) = delete;
    virtual ~CaseBase() = default;

    // Under the channel's lock: does the operation if that is possible now.
    virtual Step attempt() { return {}; }
    // Where a partner that claims this case's place finds or leaves the value.
    virtual void* slot() { return nullptr; }
    // A deadline's time; for a channel that the clock fills (ticker.hpp) the next one, under its lock.
    [[nodiscard]] virtual Deadline due() const { return {}; }
    [[nodiscard]] virtual bool takes_result() const { return false; }
    // Nothing will come of it any more.
    [[nodiscard]] virtual bool is_spent() const { return false; }
    // The select has ended with this case: calls the function. Not in the runtime.
    virtual void conclude(Outcome outcome) = 0;

    [[nodiscard]] WaitQueue& queue() const { return kind == CaseKind::send ? channel->senders : channel->receivers; }

    ChannelCore* const channel;  // null: another kind of case
    const CaseKind kind;
    bool is_enabled = true;

    // Of the select that is going on.
    int index = 0;
    std::size_t rank = 0;         // among the cases that have a channel
    std::size_t turn = 0;         // the case that is tried in this one's place of the order
    std::optional<Waiter> place;  // in the channel's queue
};

// Runs the cases in the order given; puts them into another one.
int select_among(std::span<CaseBase*> cases);

inline Result<void> result_of(Outcome outcome) {
    if (outcome == Outcome::ready) return {};
    return error_of(outcome, "select");
}

template <class T, class F>
class ReceiveCase final : public CaseBase {
public:
    ReceiveCase(const Channel<T>& from, F fn) : CaseBase(CaseKind::receive, from.core_.get()), from_(from), fn_(std::move(fn)) {}
    ReceiveCase(ReceiveCase&&) noexcept = default;

    Step attempt() override {
        const Step step = from_.core_->fetch(value_);
        if (step.outcome == Outcome::none && from_.core_->is_closed) return {Outcome::closed};
        return step;
    }
    void* slot() override { return &value_; }
    [[nodiscard]] Deadline due() const override { return from_.core_->due(); }
    [[nodiscard]] bool takes_result() const override { return true; }
    void conclude(Outcome outcome) override {
        if (outcome != Outcome::ready) {
            fn_(Result<T>(error_of(outcome, "select")));
            return;
        }
        Result<T> result(std::move(*value_));
        value_.reset();  // the case may be used again, even by the function
        fn_(std::move(result));
    }

private:
    Channel<T> from_;
    F fn_;
    std::optional<T> value_;
};

template <class T, class F>
class SendCase final : public CaseBase {
public:
    SendCase(const Channel<T>& to, T value, F fn)
        : CaseBase(CaseKind::send, to.core_.get()), to_(to), fn_(std::move(fn)), value_(std::move(value)) {}
    SendCase(SendCase&&) noexcept = default;

    Step attempt() override {
        if (to_.core_->is_closed) return {Outcome::closed};
        return to_.core_->deliver(value_);
    }
    void* slot() override { return &value_; }
    [[nodiscard]] bool takes_result() const override { return k_takes_result; }
    [[nodiscard]] bool is_spent() const override { return is_spent_; }
    void conclude(Outcome outcome) override {
        is_spent_ = outcome == Outcome::ready;
        if constexpr (k_takes_result)
            fn_(result_of(outcome));
        else if (outcome == Outcome::ready)
            fn_();
    }

private:
    static constexpr bool k_takes_result = std::invocable<F&, Result<void>>;

    Channel<T> to_;
    F fn_;
    T value_;
    bool is_spent_ = false;
};

// Deadline, otherwise, cancellation.
template <class F>
class PlainCase final : public CaseBase {
public:
    PlainCase(CaseKind case_kind, Deadline deadline, F fn) : CaseBase(case_kind, nullptr), deadline_(deadline), fn_(std::move(fn)) {}
    PlainCase(PlainCase&&) noexcept = default;

    [[nodiscard]] Deadline due() const override { return deadline_; }
    void conclude(Outcome) override { fn_(); }

private:
    Deadline deadline_;
    F fn_;
};

}  // namespace sched
}  // namespace reeve
