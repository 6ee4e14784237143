// Channel: values from fiber to fiber, in order; a handle whose copies share one channel.
//
// Idea. Go's chan: with capacity 0 a send waits for its receiver, with capacity n up to n values wait. A sender that finds
// a receiver waiting hands the value over directly, and the reverse, so values never pass each other.
//
// send, recv: may park; Errc::closed (closed; for recv: and drained), timed_out, cancelled. A value whose send failed is
// given up. try_send, try_recv, close: never park. Fibers and plain threads; not signal-safe. T's move constructor runs
// inside the runtime: it must not park.
//
// I1  A receiver waits only while there is neither a buffered value nor a waiting sender; a sender waits only while the
//     buffer is full and no receiver waits.
// I2  A claimed waiter's slot is filled (or emptied) before it is made ready.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

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
        if (core.deliver(value)) return {};
        sched::Waiter waiter("channel send");
        waiter.slot = &value;
        core.senders.push(waiter);
        core.lock.unlock();
        return core.finish(waiter, core.senders, deadline, "channel send");
    }

    Result<T> recv(Deadline deadline = {}) const {
        sched::Entry entry;
        Core& core = *core_;
        std::optional<T> value;
        core.lock.lock();
        if (core.fetch(value)) return std::move(*value);
        if (core.is_closed) {
            core.lock.unlock();
            return Error(Errc::closed, "channel recv");
        }
        sched::Waiter waiter("channel recv");
        waiter.slot = &value;
        core.receivers.push(waiter);
        core.lock.unlock();
        if (auto result = core.finish(waiter, core.receivers, deadline, "channel recv"); !result) return result.error();
        return std::move(*value);
    }

    // False: it would have to wait, or the channel is closed.
    bool try_send(T value) const {
        sched::Entry entry;
        core_->lock.lock();
        if (!core_->is_closed && core_->deliver(value)) return true;
        core_->lock.unlock();
        return false;
    }

    std::optional<T> try_recv() const {
        sched::Entry entry;
        std::optional<T> value;
        core_->lock.lock();
        if (!core_->fetch(value)) core_->lock.unlock();
        return value;
    }

    // Waiting senders and receivers end with Errc::closed; values in the buffer can still be received. Idempotent.
    void close() const {
        sched::Entry entry;
        sched::ReadyList woken;
        {
            SpinGuard guard(core_->lock);
            core_->is_closed = true;
            while (sched::Waiter* waiter = core_->receivers.claim_first(sched::Outcome::closed)) woken.add(*waiter);
            while (sched::Waiter* waiter = core_->senders.claim_first(sched::Outcome::closed)) woken.add(*waiter);
        }
        woken.ready_all();
    }

    // for (T& value : channel): until it is closed and drained, or the fiber is cancelled.
    class Iterator {
    public:
        explicit Iterator(const Channel* channel) : channel_(channel) { ++*this; }
        T& operator*() { return *value_; }
        Iterator& operator++() {
            auto next = channel_->recv();
            if (next)
                value_.emplace(std::move(next).value());
            else
                value_.reset();
            return *this;
        }
        bool operator!=(std::nullptr_t) const { return value_.has_value(); }

    private:
        const Channel* channel_;
        std::optional<T> value_;
    };
    Iterator begin() const { return Iterator(this); }
    std::nullptr_t end() const { return nullptr; }

private:
    struct Core {
        explicit Core(std::size_t capacity_) : capacity(capacity_) {}

        // Under the lock. True: the value is on its way, and the lock was released.
        bool deliver(T& value) {
            if (sched::Waiter* receiver = receivers.claim_first()) {
                static_cast<std::optional<T>*>(receiver->slot)->emplace(std::move(value));
                lock.unlock();
                receiver->ready();
                return true;
            }
            if (buffer.size() >= capacity) return false;
            buffer.push_back(std::move(value));
            lock.unlock();
            return true;
        }

        // Under the lock. True: a value was taken, and the lock was released.
        bool fetch(std::optional<T>& into) {
            if (buffer.empty() && capacity != 0) return false;
            sched::Waiter* sender = senders.claim_first();
            if (!buffer.empty()) {
                into.emplace(std::move(buffer.front()));
                buffer.pop_front();
                if (sender) buffer.push_back(std::move(*static_cast<T*>(sender->slot)));
            } else if (sender) {
                into.emplace(std::move(*static_cast<T*>(sender->slot)));
            } else {
                return false;
            }
            lock.unlock();
            if (sender) sender->ready();
            return true;
        }

        Result<void> finish(sched::Waiter& waiter, sched::WaitQueue& queue, Deadline deadline, const char* operation) {
            const sched::Outcome outcome = waiter.park(deadline);
            if (outcome == sched::Outcome::ready) return {};
            SpinGuard guard(lock);
            queue.remove_if_linked(waiter);
            return sched::error_of(outcome, operation);
        }

        SpinLock lock;
        const std::size_t capacity;
        bool is_closed = false;
        std::deque<T> buffer;
        sched::WaitQueue senders;
        sched::WaitQueue receivers;
    };

    std::shared_ptr<Core> core_;
};

}  // namespace reeve
