#include "runtime/channel_core.hpp"

#include "runtime/with_helpers.hpp"

namespace reeve::sched {

void ChannelCore::close(const std::shared_ptr<ChannelCore>& core) {
    // Its own: those it wakes first may let go of the channel before the last are woken.
    with_helpers([core] { return core->close_some(); });
}

bool ChannelCore::close_some() {
    constexpr int k_batch = 64;  // made ready, and run, while they are still in the caches
    Entry entry;
    ReadyList woken;
    bool more;
    {
        SpinGuard guard(lock);
        is_closed = true;
        for (WaitQueue* queue : {&receivers, &senders})
            for (int i = 0; i < k_batch && !queue->is_empty(); ++i)
                if (Waiter* waiter = queue->claim_first(Outcome::closed)) woken.add(*waiter);
        more = !receivers.is_empty() || !senders.is_empty();
    }
    woken.ready_all();
    if (more) give_way();
    return more;
}

Error ChannelCore::give_up(Waiter& waiter, WaitQueue& queue, Outcome outcome, const char* operation) {
    // Who closed it has unlinked the waiter. A million that go on then need not queue for the lock.
    if (outcome != Outcome::closed) {
        SpinGuard guard(lock);
        queue.remove_if_linked(waiter);
    }
    return error_of(outcome, operation);
}

}  // namespace reeve::sched
