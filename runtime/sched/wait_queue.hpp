// Wait, Waiter, WaitQueue: the only way to park.
//
// Idea. A Wait is one wait of the calling fiber (or plain OS thread); its Waiter is what others see of it. Making the Wait opens
// it; its Waiter may then be put into a queue, a timer or a kernel request; park() gives the processor away until somebody
// has claimed the wait and made it ready. Whoever claims may hand something over through `slot` before ready().
//
//   Wait wait("channel recv");              // under Entry: in the runtime
//   { lock; queue.push(*wait); unlock; }
//   Outcome outcome = wait.park(deadline);
//   if (outcome != Outcome::ready) { lock; queue.remove_if_linked(*wait); unlock; }
//
// The Waiter lies in the fiber's record, where a million of them are close together for whoever wakes them all (fiber.hpp), or in
// what stands for the plain thread. One Wait has that room at a time. The runtime makes none while another lives, but user code that
// runs meanwhile may (a value's move, a closure's end): that one's lies at the top of the stack, should it live as well the next
// one's in memory that is asked for.
//
// Callers. Wait: fibers and plain threads, inside an Entry, never while a SpinLock is held. WaitQueue: under the lock
// of the object it belongs to. Not signal-safe.
//
// I1  Every opened Wait is parked exactly once.
// I2  A waiter is linked in a queue only while that queue's lock says so; it never goes away linked.
// I3  A wait that stands in several queues has a Waiter, its place, in each. Who claims a place claims the wait, so all other
//     places are stale. A claimer may still find such a one: so it goes away only after its queue's lock was taken once the
//     wait was over.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/blocker.hpp"
#include "runtime/sched/entry.hpp"
#include "runtime/sched/fiber_state.hpp"

namespace reeve::sched {

struct Parkable;

enum class Cancellable : bool { no, yes };

class Waiter : public ListNode<Waiter> {
    bool was_claimed_ = false;  // written between claim and ready; in what the list's node leaves free

public:
    Waiter(Parkable& who, FiberState::Epoch epoch) : who_(who), epoch_(epoch) {}
    // A further place for the wait of `waiter`.
    struct FurtherPlace {};
    Waiter(const Waiter& waiter, FurtherPlace) : Waiter(waiter.who_, waiter.epoch_) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    // After the wait: this is the place that was claimed.
    [[nodiscard]] bool was_claimed() const { return was_claimed_; }

    // Waker's side. claim() may fail (timed out, cancelled, claimed by another); the winner hands over what it has to
    // and calls ready(), after which the waiter may be gone.
    [[nodiscard]] bool claim(Outcome outcome);
    void ready();

    Blocker blocker;       // set by the waiter before it parks, if at all
    void* slot = nullptr;  // where the claimer finds or leaves the value; the owner of the queue says what it means

private:
    friend class Wait;

    Parkable& who_;
    FiberState::Epoch epoch_;
};

// Where a Waiter may lie. In a fiber's record its closure waits there first, until the fiber begins (fiber.hpp).
inline constexpr std::size_t k_seed_bytes = 56;
struct WaiterRoom {
    alignas(Waiter) std::byte bytes[sizeof(Waiter)];
};

class [[nodiscard]] Wait {
public:
    // `reason`: what is waited for, a string constant, for the dump.
    explicit Wait(const char* reason, Cancellable cancellable = Cancellable::yes);
    ~Wait() {
        if (room_ != 0) [[likely]]
            *rooms_taken_ &= static_cast<std::uint8_t>(~room_);
        else
            delete waiter_;
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    // Returns once the wait is over: ready or closed (as the claimer said), timed_out, cancelled.
    Outcome park(Deadline deadline);
    // The wait was over when it was opened: the fiber is cancelled.
    [[nodiscard]] bool is_over() const;

    Waiter& operator*() const { return *waiter_; }
    Waiter* operator->() const { return waiter_; }

private:
    std::uint8_t* rooms_taken_;
    std::uint8_t room_ = 0;  // the one that it has; 0: none
    Waiter* waiter_;
    const char* reason_;
};

class WaitQueue {
public:
    void push(Waiter& waiter) { list_.push_back(waiter); }
    [[nodiscard]] bool is_empty() const { return list_.is_empty(); }

    // The oldest waiter whose wait could be claimed, unlinked, or null. The caller must call ready() on it.
    Waiter* claim_first(Outcome outcome = Outcome::ready) {
        while (Waiter* waiter = list_.pop_front())
            if (waiter->claim(outcome)) return waiter;
        return nullptr;
    }
    void remove_if_linked(Waiter& waiter) {
        if (waiter.is_linked) list_.remove(waiter);
    }

private:
    List<Waiter> list_;
};

// Several claimed waiters, to be made ready once the lock is released. Unlinked waiters keep their list node, so no
// memory is needed.
class ReadyList {
public:
    void add(Waiter& waiter) { list_.push_back(waiter); }
    void ready_all() {
        while (Waiter* waiter = list_.pop_front()) waiter->ready();
    }

private:
    List<Waiter> list_;
};

// Who has made many fibers runnable lets them go first, when it leaves the runtime: before there are more than the caches hold. In
// the runtime.
void give_way();

// The calling fiber's or thread's wait in a queue that carries nothing over. In the runtime, holding the queue's lock, which is
// released; after a wait that succeeds neither is touched: whoever woke the waiter may have left it the object to destroy.
Result<void> wait_in(WaitQueue& queue, SpinLock& held, const char* reason, Deadline deadline);

// The error an outcome other than ready stands for.
[[nodiscard]] Error error_of(Outcome outcome, const char* operation);

}  // namespace reeve::sched
