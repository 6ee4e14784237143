// Locks: a token's lock is taken while no other token's is held; under it a scope's lock may be taken, never the reverse.
// A source that goes away unlinks itself under its parent's lock; whoever cancels the parent meanwhile finds that it cannot
// be kept alive any more, and leaves it out.
#include "runtime/cancel.hpp"

#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/belongings.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {
namespace sched {

class CancelCore : public ListNode<CancelCore>, public std::enable_shared_from_this<CancelCore> {
public:
    CancelCore(std::shared_ptr<CancelCore> parent, Deadline own_deadline)
        : deadline(parent ? own_deadline.or_sooner(parent->deadline) : own_deadline), parent_(std::move(parent)) {}
    ~CancelCore() {
        if (!parent_) return;
        Entry entry;
        SpinGuard guard(parent_->lock_);
        if (is_linked) parent_->children_.remove(*this);
    }
    CancelCore(const CancelCore&) = delete;
    CancelCore& operator=(const CancelCore&) = delete;

    // Before anybody else knows it.
    void join_tree() {
        if (!parent_) return;
        Entry entry;
        SpinGuard guard(parent_->lock_);
        if (!parent_->is_cancelled_.load(std::memory_order_relaxed)) {
            parent_->children_.push_back(*this);
        } else {
            cause_ = parent_->cause_;
            is_cancelled_.store(true, std::memory_order_release);
        }
    }

    void cancel(Error cause) {
        Entry entry;
        ReadyList waiters;
        WakeList woken;
        // Those still to be cancelled, linked through `next_to_cancel_`: the tree may be deep, and the stack is not.
        std::shared_ptr<CancelCore> chain;
        cancel_one(cause, woken, waiters, chain);
        while (chain) {
            const std::shared_ptr<CancelCore> core = std::move(chain);
            chain = std::move(core->next_to_cancel_);
            core->cancel_one(cause, woken, waiters, chain);
        }
        woken.schedule_all();
        waiters.ready_all();
    }

    [[nodiscard]] bool is_cancelled() const { return is_cancelled_.load(std::memory_order_acquire); }
    // A passed deadline is looked at under the lock, here and by who cancels: or a later cause could take the place of it.
    [[nodiscard]] std::optional<Error> cause() {
        if (is_cancelled()) return cause_;
        if (!deadline.has_passed()) return std::nullopt;
        Entry entry;
        SpinGuard guard(lock_);
        return is_cancelled() ? cause_ : k_late;
    }

    bool link(CancelNode& node) {
        Entry entry;
        WakeList woken;
        {
            SpinGuard guard(lock_);
            if (!is_cancelled_.load(std::memory_order_relaxed)) {
                nodes_.push_back(node);
                return true;
            }
            node.on_cancel(cause_, woken);
        }
        woken.schedule_all();
        return false;
    }
    void unlink(CancelNode& node) {
        Entry entry;
        SpinGuard guard(lock_);
        if (node.is_linked) nodes_.remove(node);
    }

    Outcome wait(Deadline until) {
        Entry entry;
        lock_.lock();
        if (is_cancelled_.load(std::memory_order_relaxed)) {
            lock_.unlock();
            return Outcome::ready;
        }
        Wait wait("cancel token");
        waiters_.push(*wait);
        lock_.unlock();
        const Outcome outcome = wait.park(until.or_sooner(deadline));
        if (outcome == Outcome::ready) return outcome;
        SpinGuard guard(lock_);
        waiters_.remove_if_linked(*wait);
        return outcome;
    }

    const Deadline deadline;

private:
    static constexpr Error k_late{Errc::timed_out, "the deadline of a CancelToken"};

    void cancel_one(Error cause, WakeList& woken, ReadyList& waiters, std::shared_ptr<CancelCore>& chain) {
        SpinGuard guard(lock_);
        if (is_cancelled_.load(std::memory_order_relaxed)) return;
        cause_ = deadline.has_passed() ? k_late : cause;
        is_cancelled_.store(true, std::memory_order_release);
        while (CancelNode* node = nodes_.pop_front()) node->on_cancel(cause_, woken);
        while (Waiter* waiter = waiters_.claim_first()) waiters.add(*waiter);
        while (CancelCore* child = children_.pop_front()) {
            std::shared_ptr<CancelCore> kept = child->weak_from_this().lock();
            if (!kept) continue;
            // Only who took it out of its parent's list uses its link.
            kept->next_to_cancel_ = std::move(chain);
            chain = std::move(kept);
        }
    }

    const std::shared_ptr<CancelCore> parent_;
    SpinLock lock_;  // guards all below; the flag and the cause behind it are read without it
    std::atomic<bool> is_cancelled_{false};
    Error cause_{Errc::cancelled};
    List<CancelCore> children_;
    List<CancelNode> nodes_;
    WaitQueue waiters_;
    std::shared_ptr<CancelCore> next_to_cancel_;
};

// --- fibers whose waits end -------------------------------------------------------------------------------------------

void WakeList::cancel(Parkable& who) {
    if (who.state.cancel(FiberState::mark_cancelled)) add(who);
}

void WakeList::cancel_attached(Parkable& who) {
    if (who.state.cancel(FiberState::mark_attached)) add(who);
}

void WakeList::add(Parkable& who) {
    if (!who.is_fiber) {
        schedule(who);
        return;
    }
    auto& fiber = static_cast<Fiber&>(who);
    fiber.next = first_;
    first_ = &fiber;
}

void WakeList::schedule_all() {
    while (Fiber* fiber = first_) {
        first_ = fiber->next;
        schedule(*fiber);
    }
}

void Attachment::attach() {
    who_ = &current_parkable();
    belongings_of(*who_).attachments.push_back(*this);
}

void Attachment::detach() {
    Belongings& own = belongings_of(*who_);
    own.attachments.remove(*this);
    if (!is_hit()) return;
    who_->state.forget(FiberState::mark_attached);
    for (Attachment* other = own.attachments.first(); other; other = other->next)
        if (other->is_hit()) (void)who_->state.cancel(FiberState::mark_attached);  // nothing to schedule: it runs
}

void Attachment::hit(Error cause, WakeList& woken) {
    if (is_hit()) return;
    cause_ = cause;
    is_hit_.store(true, std::memory_order_release);
    woken.cancel_attached(*who_);
}

bool Attachment::belongs_to_caller() const { return who_ == &current_parkable(); }

TokenGuard::TokenGuard(const CancelToken& token) : token_(token), deadline_(token.deadline()) {
    attachment_.attach();
    (void)token_.link(*this);
}

TokenGuard::~TokenGuard() {
    token_.unlink(*this);
    attachment_.detach();
}

void TokenGuard::on_cancel(Error cause, WakeList& woken) { attachment_.hit(cause, woken); }

}  // namespace sched

bool CancelToken::is_cancelled() const { return core_ && (core_->is_cancelled() || core_->deadline.has_passed()); }

std::optional<Error> CancelToken::cause() const { return core_ ? core_->cause() : std::nullopt; }

Deadline CancelToken::deadline() const { return core_ ? core_->deadline : Deadline::never(); }

Result<void> CancelToken::wait(Deadline deadline) const {
    constexpr const char* k_operation = "cancel token wait";
    sched::Outcome outcome;
    if (core_) {
        outcome = core_->wait(deadline);
    } else {
        sched::Entry entry;
        sched::Wait wait("cancel token");
        outcome = wait.park(deadline);
    }
    if (outcome == sched::Outcome::ready || is_cancelled()) return {};
    return sched::error_of(outcome, k_operation);
}

bool CancelToken::link(sched::CancelNode& node) const { return !core_ || core_->link(node); }

void CancelToken::unlink(sched::CancelNode& node) const {
    if (core_) core_->unlink(node);
}

CancelSource::CancelSource(const CancelToken& parent, Deadline deadline)
    : token_(std::make_shared<sched::CancelCore>(parent.core_, deadline)) {
    token_.core_->join_tree();
}

void CancelSource::cancel(Error cause) const { token_.core_->cancel(cause); }

namespace this_fiber {

Result<void> check() {
    constexpr const char* k_operation = "check";
    if (deadline().has_passed()) return Error(Errc::timed_out, k_operation);
    if (sched::current_parkable().state.is_marked()) return Error(Errc::cancelled, k_operation);
    return {};
}

std::optional<Error> cause() {
    sched::Parkable& self = sched::current_parkable();
    std::optional<Error> found;
    if (const sched::Belongings* own = self.belongings.load(std::memory_order_relaxed)) {
        for (const sched::Attachment* one = own->attachments.first(); one; one = one->next)
            if (one->is_hit()) found = one->cause();
        if (!found && own->bound.has_passed()) found = Error(Errc::timed_out, "the fiber's deadline");
    }
    if (!found && self.state.is_marked()) found = Error(Errc::cancelled, "the fiber");
    return found;
}

}  // namespace this_fiber
}  // namespace reeve
