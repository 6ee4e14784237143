// Scope: fibers that cannot outlive a block of code; a nursery (Trio's nursery, asyncio.TaskGroup, Go's errgroup).
//
//     reeve::Scope scope;
//     for (auto& url : urls) scope.spawn([&] { pages.push(fetch(url)); });
//     // leaves when all have ended; what one of them threw is rethrown here
//
// Idea. A Scope belongs to the fiber (or plain thread) that makes it, on its stack. The destructor waits until every fiber
// started in it has ended, with its closure and its FiberLocals destroyed: captured references stay valid, and nothing is
// left running. Children may start further ones in the same scope. Their results go where their closures put them; gather
// collects results in order.
//
// Errors. The first child that fails cancels the other children and ends the waits of the owner in the block, too; what fails
// later is dropped. A child fails by an exception, which wait() or the destructor (which may throw, therefore) rethrows once
// all have ended; or by returning a Result that is an error, which wait() returns then, and failure() tells; the destructor cannot.
// Who returns Errc::cancelled in a scope that was cancelled has not failed. When the block itself is left by an exception, the
// children are cancelled, and that exception goes on; theirs are dropped.
//
// Cancelling. cancel() cancels the children, for good, and not the owner, who decides. A child that is started afterwards
// runs, cancelled from its beginning: it is never left out, so what it owns is handled by its own code. A cancelled owner
// passes the cancellation on when it comes to the end; a scope that was made with a token is cancelled with it at
// once. Deadlines: children have the owner's, the token's and the one of the code that starts them (with_deadline.hpp), so
// that they end by themselves; the end of the scope waits for them. In a Shield the end waits without cancelling.
//
// spawn: does not park; throws std::bad_alloc as go does. wait(deadline): may park; ok or failure() once all have ended; else
// timed_out, cancelled: they go on. The destructor: may park. cancel, is_cancelled, cause, failure: any thread, never park. Owner
// only: wait and the destructor; spawn: owner and children. Neither copied nor moved. Not signal-safe.
#pragma once

#include <optional>
#include <utility>

#include "runtime/cancel.hpp"
#include "runtime/fiber_group.hpp"
#include "runtime/go.hpp"

namespace reeve {

class Scope final : sched::CancelNode {
public:
    Scope() : Scope(CancelToken()) {}
    explicit Scope(CancelToken token);
    ~Scope() noexcept(false);
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    // Of what `body` returns only the error of a Result counts.
    template <class F>
    void spawn(const FiberOptions& options, F&& body) {
        group_.start(options, std::forward<F>(body));
    }
    template <class F>
    void spawn(F&& body) {
        group_.start({}, std::forward<F>(body));
    }

    void cancel(Error cause = Error(Errc::cancelled, "Scope::cancel")) { group_.cancel(cause); }
    [[nodiscard]] bool is_cancelled() { return group_.cause().has_value(); }
    [[nodiscard]] std::optional<Error> cause() { return group_.cause(); }    // the first one
    [[nodiscard]] std::optional<Error> failure() { return group_.error(); }  // the error a child returned that made it fail

    Result<void> wait(Deadline deadline = {});

private:
    void on_cancel(Error cause, sched::WakeList& woken) override { group_.cancel(cause, woken); }

    sched::Attachment owner_;
    const CancelToken token_;
    const int exceptions_before_;
    sched::FiberGroup group_;
};

}  // namespace reeve
