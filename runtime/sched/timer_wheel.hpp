// TimerWheel: deadlines that are near, but not next, roughly in the order in which they come.
//
// Idea. A slot for each quarter of a millisecond of the next tenth of a second; a timer is written behind the others of its slot, and
// taken out with all of them when the slot's turn comes, or marked as removed where it stands. So arming and disarming are a
// few stores, whatever else is armed, where a heap of a hundred thousand moves entries through its levels; and most that is
// armed never fires. After Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987).
//
// Part of Timers, under its lock.
//
// I1  All it holds is due at begins_ns() or later.
// I2  `who` of a timer names its place. A chunk without timers is nobody's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/base/assert.hpp"
#include "runtime/base/intrusive_list.hpp"
#include "runtime/sched/fetch.hpp"
#include "runtime/sched/timer.hpp"
#include "runtime/sched/timer_chunks.hpp"

namespace reeve::sched {

class TimerWheel {
public:
    static constexpr unsigned k_slot_shift = 18;  // 262 us

    [[nodiscard]] static bool is_place(TimerPlace place) { return (place & k_tag) != 0; }

    [[nodiscard]] bool is_empty() const { return size_ == 0; }
    [[nodiscard]] std::int64_t begins_ns() const { return first_ << k_slot_shift; }

    // While it is empty: from now on it takes what comes in slots behind that of `when_ns`.
    void begin_behind(std::int64_t when_ns) {
        REEVE_ASSERT(is_empty());
        first_ = number_of(when_ns) + 1;
    }

    // False: the timer comes too early or too late for it, or there is no memory.
    [[nodiscard]] bool put(const Timer& timer) {
        const std::int64_t number = number_of(timer.when_ns);
        if (number < first_ || number - first_ >= k_slots) return false;
        Slot& slot = slot_of(number);
        TimerChunk* chunk = slot.last();
        if (!chunk || chunk->used == TimerChunk::k_room) {
            chunk = chunks_.take();
            if (!chunk) return false;
            chunk->slot = static_cast<std::uint16_t>(number % k_slots);
            slot.push_back(*chunk);
        }
        timer.who->timer_place.store(k_tag | chunk->number << k_index_bits | chunk->used, std::memory_order_relaxed);
        chunk->timers[chunk->used++] = timer;
        ++chunk->live;
        ++size_;
        return true;
    }

    void remove(TimerPlace place) {
        TimerChunk& chunk = chunks_.at((place & ~k_tag) >> k_index_bits);
        chunk.timers[place & k_index_mask].who = nullptr;
        --size_;
        if (--chunk.live != 0) return;
        slots_[chunk.slot].remove(chunk);
        chunks_.give(chunk);
    }

    // Takes the first slot that has some: calls take(timer) for each. There is one.
    template <class Take>
    void take_slot(Take take) {
        while (slot_of(first_).is_empty()) ++first_;
        Slot& slot = slot_of(first_++);
        while (TimerChunk* chunk = slot.pop_front()) {
            for (std::size_t i = 0; i < chunk->used; ++i) {
                constexpr std::size_t k_ahead = 8;
                if (i + k_ahead < chunk->used && chunk->timers[i + k_ahead].who) fetch(*chunk->timers[i + k_ahead].who);
                if (chunk->timers[i].who) take(chunk->timers[i]);
            }
            size_ -= chunk->live;
            chunks_.give(*chunk);
        }
    }

private:
    static constexpr std::int64_t k_slots = 512;  // 134 ms
    static constexpr TimerPlace k_tag = TimerPlace{1} << 31;
    static constexpr unsigned k_index_bits = 6;
    static constexpr TimerPlace k_index_mask = (TimerPlace{1} << k_index_bits) - 1;
    static_assert(TimerChunk::k_room < k_index_mask);  // so that no place is k_no_timer
    static_assert(TimerPlace{TimerChunks::k_most} << k_index_bits <= k_tag);

    using Slot = List<TimerChunk>;

    static std::int64_t number_of(std::int64_t when_ns) { return when_ns >> k_slot_shift; }
    Slot& slot_of(std::int64_t number) { return slots_[static_cast<std::size_t>(number % k_slots)]; }

    std::array<Slot, k_slots> slots_;
    TimerChunks chunks_;
    std::int64_t first_ = 0;  // the slot that begins_ns() stands for; counted from the clock's zero
    std::size_t size_ = 0;
};

}  // namespace reeve::sched
