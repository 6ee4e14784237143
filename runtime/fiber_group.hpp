// FiberGroup: the fibers of one gather, race or Scope; what the three have in common.
//
// Idea. The group lies on the stack of the fiber (or plain thread) that made it, its owner; each child lies in its own
// fiber, and is linked here from before it starts until it has nothing more to do: its closure and its locals are destroyed
// by then. So cancelling is walking a list, nothing is allocated, and the owner leaves when the list is empty.
//
// Callers. start: the owner, or a child. leave, wait: the owner. fail: a child. cancel, cause: anybody who knows that the
// group lives. Not signal-safe. For those three headers, not for users.
//
// I1  A child is in `children_` exactly while it may touch the group or anything of the owner.
// I2  Once `cause_` is set, every child that is in the list or joins it is cancelled.
// I3  A child's deadline is not later than the owner's when the group was made: the owner waits for them without one.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/cancel.hpp"
#include "runtime/go.hpp"
#include "runtime/sched/wait_queue.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve::sched {

class FiberGroup {
public:
    // `reason`: what the owner waits for, for the dump. `owner`: hit when a child fails.
    explicit FiberGroup(const char* reason, Deadline deadline = {}, Attachment* owner = nullptr);
    ~FiberGroup();  // cancels and waits, should there be children: an exception came in between
    FiberGroup(const FiberGroup&) = delete;
    FiberGroup& operator=(const FiberGroup&) = delete;

    // Runs `body` in a fiber of the group. What it throws, or returns as a Result's error, is kept if it is the first, and cancels
    // the group.
    template <class F>
    void start(const FiberOptions& options, F&& body) {
        Child<std::decay_t<F>> child(*this, std::forward<F>(body));
        Entry entry;
        const MadeFiber made = prepare_fiber_for(&options, std::move(child));
        admit(*static_cast<Child<std::decay_t<F>>*>(made.closure), *made.fiber);
        start_fiber(*made.fiber);
    }

    void cancel(Error cause);
    void cancel(Error cause, WakeList& woken);  // the same, leaving the waking to the caller
    [[nodiscard]] std::optional<Error> cause();
    // Until all have ended, or the error that ended the wait.
    Result<void> wait(Deadline deadline, Cancellable cancellable);
    // For all. When the owner is cancelled they are, too, and it still waits.
    void leave();
    // The first exception, once.
    void rethrow();
    // The error that a child returned, if that came first.
    [[nodiscard]] std::optional<Error> error();
    [[nodiscard]] bool has_failed();

private:
    struct Member : ListNode<Member> {
        static constexpr bool k_stays = true;  // in its fiber: the list leads here
        Fiber* fiber = nullptr;
    };

    template <class F>
    struct Child : Member {
        template <class G>
        Child(FiberGroup& group_, G&& body_)
            : group(group_), deadline(this_fiber::deadline().or_sooner(group_.deadline_)), body(std::forward<G>(body_)) {}

        void operator()() {
            {
                const DeadlineGuard bounded(deadline);
                try {
                    if constexpr (is_result<std::invoke_result_t<F&>>) {
                        if (auto result = (*body)(); !result) group.fail(result.error());
                    } else {
                        (void)(*body)();
                    }
                } catch (...) {
                    group.fail(std::current_exception());
                }
                body.reset();
            }
            group.end(*this);
        }

        FiberGroup& group;
        Deadline deadline;
        std::optional<F> body;
    };

    using Failure = std::variant<std::monostate, std::exception_ptr, Error>;

    void admit(Member& child, Fiber& fiber);
    void fail(Failure failure);
    void end(Member& child);
    void cancel_all(Error cause, WakeList& woken);

    const char* const reason_;
    const Deadline deadline_;
    Attachment* const owner_;
    SpinLock lock_;  // guards all below
    List<Member> children_;
    WaitQueue waiters_;
    std::optional<Error> cause_;
    Failure failure_;
};

}  // namespace reeve::sched
