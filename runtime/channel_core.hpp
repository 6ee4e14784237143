// ChannelCore: the half of a channel that does not know what it carries: lock, both queues, closing, giving up.
//
// Internal: Channel<T> adds the buffer and moves the values; select stands in the queues of several of them. Who tries
// an operation under the lock gets a Step back: what it came to, and whom to make ready once the lock is free.
//
// Everything is guarded by `lock` unless it says otherwise. Several channels are locked in the order of their addresses
// (select.cpp); everybody else holds one such lock at a time, and nobody parks with one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {

template <class T, class F>
class ReceiveCase;
template <class T, class F>
class SendCase;

// Outcome::none: the operation would have to wait. `peer`: claimed, its value was moved; ready() it without the lock.
struct Step {
    Outcome outcome = Outcome::none;
    Waiter* peer = nullptr;
};

struct ChannelCore {
    // Takes and releases the lock itself. Whoever waits ends with Outcome::closed. From user code: who closes what very many wait
    // for lets them go first, some at a time, and gets help (with_helpers.hpp).
    static void close(const std::shared_ptr<ChannelCore>& core);

    // The wait ended without a partner. Takes and releases the lock itself.
    Error give_up(Waiter& waiter, WaitQueue& queue, Outcome outcome, const char* operation);

    // Less than `bound`. A sequence per channel: no memory is shared that the lock does not guard, and a run whose order
    // of events is the same draws the same.
    std::size_t draw(std::size_t bound) {
        lots = lots * 1664525 + 1013904223;
        return static_cast<std::size_t>(std::uint64_t{lots} * bound >> 32);
    }

    [[nodiscard]] bool close_some();  // false: it was the last

    SpinLock lock;
    bool is_closed = false;
    std::uint32_t lots = 0;
    WaitQueue senders;
    WaitQueue receivers;
};

}  // namespace reeve::sched
