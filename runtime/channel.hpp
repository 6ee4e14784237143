// Channel: values from fiber to fiber, in order; a handle whose copies share one channel.
//
// Idea. Go's chan: with capacity 0 a send waits for its receiver, with capacity n up to n values wait. A sender that finds
// a receiver waiting hands the value over directly, and the reverse, so values never pass each other.
//
// send, recv: may park; Errc::closed (closed; for recv: and drained), timed_out, cancelled. A value whose send failed is
// given up. try_send, try_recv, close: never park. Fibers and plain threads; not signal-safe. T's move constructor runs
// inside the runtime and under the channel's lock: it must neither park nor throw. Making a channel allocates the whole
// buffer. Several channels at once: select.hpp.
//
// I1  A receiver waits only while there is neither a buffered value nor a waiting sender; a sender waits only while the
//     buffer is full and no receiver waits. A select that waits for both is no partner of itself and does not count.
// I2  A claimed waiter's slot is filled (or emptied) before it is made ready.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/channel_buffer.hpp"
#include "runtime/channel_core.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

template <class T>
class Channel;

// Of the range that a channel is: until it is closed and drained, or the fiber is cancelled. May park.
template <class T>
class ChannelIterator {
public:
    explicit ChannelIterator(const Channel<T>* channel) : channel_(channel) { ++*this; }
    T& operator*() { return *value_; }
    ChannelIterator& operator++() {
        auto next = channel_->recv();
        if (next)
            value_.emplace(std::move(next).value());
        else
            value_.reset();
        return *this;
    }
    bool operator!=(std::nullptr_t) const { return value_.has_value(); }

private:
    const Channel<T>* channel_;
    std::optional<T> value_;
};

template <class T>
class Channel {
public:
    explicit Channel(std::size_t capacity = 0) : core_(std::make_shared<Core>(capacity)) {}

    Result<void> send(T value, Deadline deadline = {}) const {
        sched::Entry entry;
        Core& core = *core_;
        core.lock.lock();
        if (core.is_closed) {
            core.lock.unlock();
            return Error(Errc::closed, "channel send");
        }
        if (core.finish(core.deliver(value))) return {};
        sched::Wait wait("channel send");
        wait->slot = &value;
        core.senders.push(*wait);
        core.lock.unlock();
        const sched::Outcome outcome = wait.park(deadline);
        if (outcome == sched::Outcome::ready) return {};
        return core.give_up(*wait, core.senders, outcome, "channel send");
    }

    Result<T> recv(Deadline deadline = {}) const {
        sched::Entry entry;
        Core& core = *core_;
        std::optional<T> value;
        core.lock.lock();
        if (core.finish(core.fetch(value))) return std::move(*value);
        if (core.is_closed) {
            core.lock.unlock();
            return Error(Errc::closed, "channel recv");
        }
        sched::Wait wait("channel recv");
        wait->slot = &value;
        core.receivers.push(*wait);
        core.lock.unlock();
        const sched::Outcome outcome = wait.park(deadline);
        if (outcome == sched::Outcome::ready) return std::move(*value);
        return core.give_up(*wait, core.receivers, outcome, "channel recv");
    }

    // False: it would have to wait, or the channel is closed.
    bool try_send(T value) const {
        sched::Entry entry;
        core_->lock.lock();
        if (!core_->is_closed && core_->finish(core_->deliver(value))) return true;
        core_->lock.unlock();
        return false;
    }

    std::optional<T> try_recv() const {
        sched::Entry entry;
        std::optional<T> value;
        core_->lock.lock();
        if (!core_->finish(core_->fetch(value))) core_->lock.unlock();
        return value;
    }

    // Waiting senders and receivers end with Errc::closed; values in the buffer can still be received. Idempotent.
    void close() const { Core::close(core_); }

    // for (T& value : channel)
    using Iterator = ChannelIterator<T>;
    Iterator begin() const { return Iterator(this); }
    std::nullptr_t end() const { return nullptr; }

private:
    template <class U, class F>
    friend class sched::ReceiveCase;
    template <class U, class F>
    friend class sched::SendCase;

    struct Core : sched::ChannelCore {
        explicit Core(std::size_t capacity) : buffer(capacity) {}

        // Under the lock, not closed.
        sched::Step deliver(T& value) noexcept {
            if (sched::Waiter* receiver = receivers.claim_first()) {
                static_cast<std::optional<T>*>(receiver->slot)->emplace(std::move(value));
                return {sched::Outcome::ready, receiver};
            }
            if (buffer.is_full()) return {};
            buffer.push(std::move(value));
            return {sched::Outcome::ready};
        }

        // Under the lock.
        sched::Step fetch(std::optional<T>& into) noexcept {
            // With room in the buffer no sender waits.
            sched::Waiter* sender = buffer.is_full() ? senders.claim_first() : nullptr;
            if (!buffer.is_empty()) {
                into.emplace(std::move(buffer.front()));
                buffer.pop();
                if (sender) buffer.push(std::move(*static_cast<T*>(sender->slot)));
            } else if (sender) {
                into.emplace(std::move(*static_cast<T*>(sender->slot)));
            } else {
                return {};
            }
            return {sched::Outcome::ready, sender};
        }

        // True: the operation is done, and the lock was released.
        bool finish(sched::Step step) {
            if (step.outcome == sched::Outcome::none) return false;
            lock.unlock();
            if (step.peer) step.peer->ready();
            return true;
        }

        // When a value comes that nobody sends (ticker.hpp): never.
        [[nodiscard]] Deadline due() const { return {}; }

        sched::ChannelBuffer<T> buffer;
    };

    std::shared_ptr<Core> core_;
};

}  // namespace reeve
