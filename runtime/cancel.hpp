// CancelSource, CancelToken, with_cancel: telling any number of fibers and threads that something is not wanted any more.
//
// Idea. Go's context without values, .NET's CancellationTokenSource: who may cancel holds the source, who is to notice
// holds a token. Sources form a tree: cancelling one cancels all below it, with the same cause. A source may have a
// deadline; below it only earlier ones count. A token can be polled, waited for, given to a Scope, or attached to the
// calling fiber with with_cancel(token, fn): while fn runs, every wait of the fiber, requests in the kernel included, ends
// with Errc::cancelled once the token is cancelled, and with Errc::timed_out once its deadline has passed. Afterwards the
// fiber is as it was before. with_cancel nests; each token attached counts.
//
// What ends a fiber's waits, in all: Join::cancel and Scope::cancel (for good), the end of run() (for good), the tokens
// attached, with_deadline. Mutex::lock() without a deadline and the joining of children are not ended by any of them.
// A cleanup that must wait all the same uses Shield (shield.hpp).
//
// A cause is an Error: its code, and as its operation a string constant that says why. The first one counts.
//
// token, is_cancelled, cause, deadline: never park, any thread, also outside run(). cancel: never parks; O(tokens, fibers and
// scopes below). wait: may park; ok once the token is cancelled; timed_out, cancelled (the calling fiber was, first).
// with_cancel: never parks by itself; on a plain thread it acts on waits for other fibers and threads, while reads and writes
// of descriptors see only deadlines. Both classes are handles: copies share. Not signal-safe.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve {

namespace sched {

class CancelCore;
struct Fiber;
struct Parkable;

// Fibers whose wait a cancellation has ended, to be scheduled once the locks are released: nobody else can do it, so that
// their link is free for use. Plain threads go on at once. In the runtime.
class WakeList {
public:
    void cancel(Parkable& who);           // for good
    void cancel_attached(Parkable& who);  // until it is detached
    void schedule_all();

private:
    void add(Parkable& who);

    Fiber* first_ = nullptr;
};

// One thing the calling fiber is attached to: its waits are over while this is hit (belongings.hpp).
class Attachment : public ListNode<Attachment> {
public:
    Attachment() = default;
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

    // The fiber. detach: once nobody can hit it any more.
    void attach();
    void detach();
    // Anybody, under the lock of what it is attached to. Idempotent.
    void hit(Error cause, WakeList& woken);

    [[nodiscard]] bool is_hit() const { return is_hit_.load(std::memory_order_acquire); }
    [[nodiscard]] Error cause() const { return cause_; }  // once it is hit
    [[nodiscard]] bool belongs_to_caller() const;

private:
    Parkable* who_ = nullptr;
    Error cause_{Errc::cancelled};
    std::atomic<bool> is_hit_{false};
};

// What is told when a token is cancelled; in that token's list, under its lock.
class CancelNode : public ListNode<CancelNode> {
public:
    virtual void on_cancel(Error cause, WakeList& woken) = 0;

protected:
    ~CancelNode() = default;
};

}  // namespace sched

class CancelToken {
public:
    CancelToken() = default;  // is never cancelled

    [[nodiscard]] bool is_cancelled() const;  // or its deadline has passed
    // Why; nothing while it is not cancelled. Errc::timed_out when its deadline has passed.
    [[nodiscard]] std::optional<Error> cause() const;
    [[nodiscard]] Deadline deadline() const;
    Result<void> wait(Deadline deadline = {}) const;

    // For those who are told; internal. link: false when it is cancelled already, then the node was told and is not linked.
    bool link(sched::CancelNode& node) const;
    void unlink(sched::CancelNode& node) const;

private:
    friend class CancelSource;
    explicit CancelToken(std::shared_ptr<sched::CancelCore> core) : core_(std::move(core)) {}

    std::shared_ptr<sched::CancelCore> core_;
};

class CancelSource {
public:
    explicit CancelSource(Deadline deadline = {}) : CancelSource(CancelToken(), deadline) {}
    explicit CancelSource(const CancelToken& parent, Deadline deadline = {});

    // The first cause counts; none after the deadline.
    void cancel(Error cause = Error(Errc::cancelled, "CancelSource::cancel")) const;
    [[nodiscard]] CancelToken token() const { return token_; }
    [[nodiscard]] bool is_cancelled() const { return token_.is_cancelled(); }

private:
    CancelToken token_;
};

namespace sched {

// The calling fiber is attached to the token while this lives.
class [[nodiscard]] TokenGuard final : CancelNode {
public:
    explicit TokenGuard(const CancelToken& token);
    ~TokenGuard();
    TokenGuard(const TokenGuard&) = delete;
    TokenGuard& operator=(const TokenGuard&) = delete;

private:
    void on_cancel(Error cause, WakeList& woken) override;

    const CancelToken token_;
    DeadlineGuard deadline_;
    Attachment attachment_;
};

}  // namespace sched

// Runs `body` with the calling fiber attached to `token`; returns what it returns.
template <class F>
decltype(auto) with_cancel(const CancelToken& token, F&& body) {
    const sched::TokenGuard attached(token);
    return std::forward<F>(body)();
}

namespace this_fiber {

// For code that computes: would a wait end at once? Errc::cancelled or timed_out then. Never parks.
[[nodiscard]] Result<void> check();
// Why, as far as it is known: the cause of the innermost token (or failed scope) that was cancelled, timed_out for a deadline;
// nothing while neither has happened.
[[nodiscard]] std::optional<Error> cause();

}  // namespace this_fiber

}  // namespace reeve
