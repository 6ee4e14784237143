// SharedMutex: many readers or one writer; std's names, so std::shared_lock and std::unique_lock work with it.
//
// Idea. Readers that meet no writer are one compare-exchange and do not enter the runtime. Who has to wait stands in one
// line, readers and writers alike, and the line is served in order: a reader that comes while a writer waits queues behind
// it (Go's RWMutex), and a writer that leaves lets in all readers up to the next writer. So neither kind starves.
//
// lock(), lock_shared(): may park, not cancellable. lock(deadline), lock_shared(deadline): may park; timed_out, cancelled.
// try_lock_for, try_lock_until and their _shared twins: the same as a bool. try_lock, try_lock_shared, unlock,
// unlock_shared: never park. Fibers and plain threads, also on another OS thread than the one that locked. Not
// signal-safe. Who holds it shared must not lock it again, not even shared: a writer may wait in between, and both wait
// for ever. Releasing what is not held ends the process.
//
// I1  While somebody waits the word says `queued` and the mutex is held; the bit changes only under lock_.
// I2  While the word says `queued` nobody enters except out of the queue, and the last holder leaves only under lock_.
// I3  Leaving is the last an unlock does to the mutex: whoever gets it then may destroy it.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/point.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

class SharedMutex {
public:
    SharedMutex() = default;
    SharedMutex(const SharedMutex&) = delete;
    SharedMutex& operator=(const SharedMutex&) = delete;

    void lock() {
        if (!try_lock()) [[unlikely]]
            (void)wait(Kind::writer, {}, sched::Cancellable::no);
    }
    Result<void> lock(Deadline deadline) {
        if (try_lock()) return {};
        return wait(Kind::writer, deadline, sched::Cancellable::yes);
    }
    bool try_lock() {
        if (!try_enter(Kind::writer)) return false;
        note_writer(__builtin_frame_address(0));
        return true;
    }
    bool try_lock_for(Deadline from_now) { return lock(from_now).has_value(); }
    bool try_lock_until(Deadline instant) { return lock(instant).has_value(); }
    void unlock() {
        note_writer(nullptr);
        leave(k_writer, "unlock of a SharedMutex that is not locked");
    }

    void lock_shared() {
        if (!try_lock_shared()) [[unlikely]]
            (void)wait(Kind::reader, {}, sched::Cancellable::no);
    }
    Result<void> lock_shared(Deadline deadline) {
        if (try_lock_shared()) return {};
        return wait(Kind::reader, deadline, sched::Cancellable::yes);
    }
    bool try_lock_shared() { return try_enter(Kind::reader); }
    bool try_lock_shared_for(Deadline from_now) { return lock_shared(from_now).has_value(); }
    bool try_lock_shared_until(Deadline instant) { return lock_shared(instant).has_value(); }
    void unlock_shared() { leave(k_reader, "unlock_shared of a SharedMutex that is not locked shared"); }

private:
    enum class Kind : bool { reader, writer };

    static constexpr std::uint32_t k_writer = 1;  // held by a writer
    static constexpr std::uint32_t k_queued = 2;  // held, and the queue must be looked at
    static constexpr std::uint32_t k_reader = 4;  // one reader; the bits above count them

    // Whether one more may enter past the queue, and what the word then is.
    static bool is_open(std::uint32_t word, Kind kind) {
        return kind == Kind::writer ? word == 0 : (word & (k_writer | k_queued)) == 0;
    }
    static std::uint32_t unit_of(Kind kind) { return kind == Kind::writer ? k_writer : k_reader; }

    bool try_enter(Kind kind) {
        schedule_point(Place::outside);
        std::uint32_t word = word_.load(std::memory_order_relaxed);
        while (is_open(word, kind))
            if (word_.compare_exchange_weak(word, word + unit_of(kind), std::memory_order_acquire, std::memory_order_relaxed))
                return true;
        return false;
    }
    void note_writer(const void* on_its_stack) {
        writer_.store(reinterpret_cast<std::uintptr_t>(on_its_stack), std::memory_order_relaxed);
    }
    void leave(std::uint32_t unit, const char* misuse);
    Result<void> wait(Kind kind, Deadline deadline, sched::Cancellable cancellable);
    void admit_readers(sched::ReadyList& woken);
    bool hand_over(sched::ReadyList& woken);

    std::atomic<std::uintptr_t> writer_{0};  // an address on the stack of the writer that is in, or 0 (sched/wait_circles.hpp)
    std::atomic<std::uint32_t> word_{0};
    SpinLock lock_;               // guards waiters_
    List<sched::Waiter> waiters_;  // a waiter's slot points to its Kind
};

}  // namespace reeve
