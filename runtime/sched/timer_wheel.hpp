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
// I2  `who` of an entry names the entry's place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/assert.hpp"
#include "runtime/sched/fetch.hpp"
#include "runtime/sched/timer.hpp"

namespace reeve::sched {

class TimerWheel {
public:
    [[nodiscard]] static bool is_place(TimerPlace place) { return (place & k_tag) != 0; }

    [[nodiscard]] bool is_empty() const { return size_ == 0; }
    [[nodiscard]] std::int64_t begins_ns() const { return first_ << k_slot_shift; }

    // While it is empty: from now on it takes what comes in slots behind that of `when_ns`.
    void begin_behind(std::int64_t when_ns) {
        REEVE_ASSERT(is_empty());
        first_ = slot_number(when_ns) + 1;
    }

    // False: the timer comes too early or too late for it.
    [[nodiscard]] bool put(const Timer& timer) {
        const std::int64_t number = slot_number(timer.when_ns);
        if (number < first_ || number - first_ >= k_slots) return false;
        Slot& slot = slot_of(number);
        if (slot.timers.size() == k_slot_capacity) return false;
        name_place(timer, number, slot.timers.size());
        slot.timers.push_back(timer);
        ++slot.live;
        ++size_;
        return true;
    }

    void remove(TimerPlace place) {
        const std::size_t index = place & k_index_mask;
        const std::size_t number = (place & ~k_tag) >> k_index_bits;
        Slot& slot = slots_[number];
        slot.timers[index].who = nullptr;
        --slot.live;
        --size_;
        if (slot.timers.size() > 2 * slot.live + k_few) compact(slot, static_cast<std::int64_t>(number));
    }

    // Takes the first slot that has some: calls take(timer) for each. There is one.
    template <class Take>
    void take_slot(Take take) {
        while (slot_of(first_).live == 0) ++first_;
        Slot& slot = slot_of(first_++);
        std::vector<Timer>& timers = slot.timers;
        for (std::size_t i = 0; i < timers.size(); ++i) {
            constexpr std::size_t k_ahead = 8;
            if (i + k_ahead < timers.size() && timers[i + k_ahead].who) fetch(*timers[i + k_ahead].who);
            if (timers[i].who) take(timers[i]);
        }
        size_ -= slot.live;
        slot.live = 0;
        slot.empty();
    }

private:
    static constexpr unsigned k_slot_shift = 18;  // 262 us
    static constexpr std::int64_t k_slots = 512;  // 134 ms
    static constexpr unsigned k_index_bits = 22;
    static constexpr TimerPlace k_index_mask = (TimerPlace{1} << k_index_bits) - 1;
    static constexpr TimerPlace k_tag = TimerPlace{1} << 31;
    static constexpr std::size_t k_slot_capacity = k_index_mask;  // so that no place is k_no_timer
    static constexpr std::size_t k_few = 32;
    static_assert(k_slots << k_index_bits == k_tag);

    struct Slot {
        std::vector<Timer> timers;  // those without `who` were removed
        std::size_t live = 0;

        // Memory for as many as usual is kept.
        void empty() {
            constexpr std::size_t k_usual = 1024;
            timers.clear();
            if (timers.capacity() > k_usual) timers.shrink_to_fit();
        }
    };

    static std::int64_t slot_number(std::int64_t when_ns) { return when_ns >> k_slot_shift; }
    Slot& slot_of(std::int64_t number) { return slots_[static_cast<std::size_t>(number % k_slots)]; }

    static void name_place(const Timer& timer, std::int64_t number, std::size_t index) {
        const auto slot = static_cast<TimerPlace>(number % k_slots);
        timer.who->timer_place.store(k_tag | slot << k_index_bits | static_cast<TimerPlace>(index), std::memory_order_relaxed);
    }

    void compact(Slot& slot, std::int64_t number) {
        std::size_t kept = 0;
        for (const Timer& timer : slot.timers) {
            if (!timer.who) continue;
            name_place(timer, number, kept);
            slot.timers[kept++] = timer;
        }
        slot.timers.resize(kept);
        if (kept == 0) slot.empty();
    }

    std::array<Slot, k_slots> slots_;
    std::int64_t first_ = 0;  // the slot that begins_ns() stands for; counted from the clock's zero
    std::size_t size_ = 0;
};

}  // namespace reeve::sched
