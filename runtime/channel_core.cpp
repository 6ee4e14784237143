#include "runtime/channel_core.hpp"

namespace reeve::sched {

void ChannelCore::close() {
    constexpr int k_batch = 64;  // made ready while they are still in the caches, and while the next ones are claimed elsewhere
    for (bool more = true; more;) {
        ReadyList woken;
        {
            SpinGuard guard(lock);
            is_closed = true;
            for (WaitQueue* queue : {&receivers, &senders})
                for (int i = 0; i < k_batch && !queue->is_empty(); ++i)
                    if (Waiter* waiter = queue->claim_first(Outcome::closed)) woken.add(*waiter);
            more = !receivers.is_empty() || !senders.is_empty();
        }
        woken.ready_all();
    }
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
