#include "runtime/scope.hpp"

#include <exception>

namespace reeve {

Scope::Scope(CancelToken token)
    : token_(std::move(token)),
      exceptions_before_(std::uncaught_exceptions()),
      group_("the end of a scope", token_.deadline(), &owner_) {
    owner_.attach();
    (void)token_.link(*this);
}

Scope::~Scope() noexcept(false) {
    if (!owner_.belongs_to_caller()) fatal("a Scope must be left by the fiber that made it");
    const bool is_unwinding = std::uncaught_exceptions() > exceptions_before_;
    if (is_unwinding) cancel(Error(Errc::cancelled, "the scope was left by an exception"));
    group_.leave();
    token_.unlink(*this);
    owner_.detach();
    if (!is_unwinding) group_.rethrow();
}

Result<void> Scope::wait(Deadline deadline) {
    if (!owner_.belongs_to_caller()) fatal("Scope::wait: only the fiber that made a scope can wait for it");
    auto result = group_.wait(deadline, sched::Cancellable::yes);
    // A failed child is no reason not to wait for the others, which were cancelled.
    if (!result && group_.has_failed()) result = group_.wait(deadline, sched::Cancellable::no);
    if (!result) return result;
    group_.rethrow();
    if (const auto error = failure()) return *error;
    return {};
}

}  // namespace reeve
