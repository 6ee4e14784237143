#include "runtime/shared_mutex.hpp"

namespace reeve {

Result<void> SharedMutex::wait(Kind kind, Deadline deadline, sched::Cancellable cancellable) {
    sched::Entry entry;
    lock_.lock();
    for (std::uint32_t word = word_.load(std::memory_order_relaxed);;) {
        const bool enters = is_open(word, kind);
        const std::uint32_t next = enters ? word + unit_of(kind) : word | k_queued;
        if (!word_.compare_exchange_weak(word, next, std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
        if (!enters) break;
        if (kind == Kind::writer) note_writer(__builtin_frame_address(0));
        lock_.unlock();
        return {};
    }
    sched::Wait wait("shared mutex", cancellable);
    wait->slot = &kind;
    wait->blocker = sched::Blocker::for_lock(&writer_);
    waiters_.push_back(*wait);
    lock_.unlock();
    const sched::Outcome outcome = wait.park(deadline);
    if (outcome == sched::Outcome::ready) return {};  // let in by hand_over() or admit_readers()
    sched::ReadyList woken;
    {
        SpinGuard guard(lock_);
        if (wait->is_linked) {
            waiters_.remove(*wait);
            admit_readers(woken);  // if it was a writer, readers may have stood behind it for its sake
        }
    }
    woken.ready_all();
    return sched::error_of(outcome, "shared mutex lock");
}

// Under lock_, which is held by somebody: readers at the front of the queue join readers that are in.
void SharedMutex::admit_readers(sched::ReadyList& woken) {
    while (sched::Waiter* first = waiters_.first()) {
        if ((word_.load(std::memory_order_relaxed) & k_writer) != 0) return;
        if (*static_cast<const Kind*>(first->slot) == Kind::writer) return;
        waiters_.remove(*first);
        if (!first->claim(sched::Outcome::ready)) continue;
        word_.fetch_add(k_reader, std::memory_order_acq_rel);
        woken.add(*first);
    }
    word_.fetch_and(~k_queued, std::memory_order_acq_rel);
}

// Under lock_, by the only holder of a mutex that is queued for: nobody else changes the word. Passes the mutex on to the
// writer at the front or to all readers up to the next writer. False: all who waited have given up.
bool SharedMutex::hand_over(sched::ReadyList& woken) {
    std::uint32_t next = 0;
    while (sched::Waiter* first = waiters_.first()) {
        const Kind kind = *static_cast<const Kind*>(first->slot);
        if (kind == Kind::writer && next != 0) break;
        waiters_.remove(*first);
        if (!first->claim(sched::Outcome::ready)) continue;
        woken.add(*first);
        next += unit_of(kind);
        if (kind == Kind::reader) continue;
        note_writer(first);
        break;
    }
    if (next == 0) {
        word_.fetch_and(~k_queued, std::memory_order_acq_rel);
        return false;
    }
    word_.store(waiters_.is_empty() ? next : next | k_queued, std::memory_order_release);
    return true;
}

void SharedMutex::leave(std::uint32_t unit, const char* misuse) {
    schedule_point(Place::outside);
    const std::uint32_t held_mask = unit == k_writer ? k_writer : ~(k_writer | k_queued);
    for (std::uint32_t word = word_.load(std::memory_order_relaxed);;) {
        if ((word & held_mask) == 0) [[unlikely]]
            fatal("%s", misuse);
        if (word != (unit | k_queued)) {
            if (word_.compare_exchange_weak(word, word - unit, std::memory_order_release, std::memory_order_relaxed)) return;
            continue;
        }
        sched::Entry entry;
        sched::ReadyList woken;
        lock_.lock();
        word = word_.load(std::memory_order_acquire);
        const bool is_passed_on = word == (unit | k_queued) && hand_over(woken);
        lock_.unlock();
        woken.ready_all();
        if (is_passed_on) return;
        schedule_point(Place::inside);
        word = word_.load(std::memory_order_relaxed);
    }
}

}  // namespace reeve
