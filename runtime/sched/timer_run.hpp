// TimerRun: the deadlines of a wheel's slot whose time has come, in the order in which they come.
//
// Idea. They are known at once, and most will fire one after the other: sorted once, in two passes over nine bits each, they are
// taken off in front. A heap would find each one's place by comparing, and the CPU guesses half of the comparisons wrongly.
//
// Memory comes from the kernel, as with TimerChunks. Part of Timers, under its lock.
//
// I1  Filled when it is empty: add() some, then sort() once.
// I2  `who` of a timer names its place until it is popped or removed. The first is none that was removed.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <sys/mman.h>
#include <utility>

#include "runtime/base/time.hpp"
#include "runtime/sched/timer.hpp"

namespace reeve::sched {

class TimerRun {
public:
    static constexpr unsigned k_span_shift = 18;  // all are due within so much, in powers of two: 262 us
    static constexpr std::size_t k_room = std::size_t{1} << 14;
    static constexpr TimerPlace k_tag = TimerPlace{1} << 30;

    TimerRun() = default;
    ~TimerRun() {
        if (table_) munmap(table_, sizeof(Table));
    }
    TimerRun(const TimerRun&) = delete;
    TimerRun& operator=(const TimerRun&) = delete;

    [[nodiscard]] static bool is_place(TimerPlace place) { return place >> 30 == 1; }

    [[nodiscard]] bool is_empty() const { return next_ == end_; }
    // Of the first; Deadline::k_never_ns when there is none.
    [[nodiscard]] std::int64_t earliest_ns() const { return is_empty() ? Deadline::k_never_ns : first().when_ns; }

    // False: there is no room.
    [[nodiscard]] bool add(const Timer& timer) {
        if (is_empty()) next_ = end_ = 0;
        if (end_ == k_room || !has_table()) return false;
        timer.who->timer_place.store(k_tag | static_cast<TimerPlace>(end_), std::memory_order_relaxed);
        const auto offset = static_cast<std::uint32_t>(timer.when_ns) & ((std::uint32_t{1} << k_span_shift) - 1);
        table_->order[end_] = offset << k_index_bits | static_cast<std::uint32_t>(end_);
        table_->timers[end_++] = timer;
        return true;
    }

    void sort() {
        constexpr std::size_t k_few = 64;
        if (is_empty()) return;
        if (end_ < k_few) {
            std::sort(table_->order, table_->order + end_);
            return;
        }
        pass(table_->order, table_->sorted, k_index_bits);
        pass(table_->sorted, table_->order, k_index_bits + k_pass_bits);
    }

    // The first; there is one. Its waiter still names the place.
    Timer pop() {
        const Timer popped = first();
        ++next_;
        skip_removed();
        return popped;
    }

    void remove(TimerPlace place) {
        table_->timers[place & ~k_tag].who = nullptr;
        skip_removed();
    }

private:
    static constexpr unsigned k_index_bits = 14;
    static constexpr std::uint32_t k_index_mask = (std::uint32_t{1} << k_index_bits) - 1;
    static constexpr unsigned k_pass_bits = k_span_shift / 2;
    static_assert(k_span_shift + k_index_bits == 32);

    struct Table {
        Timer timers[k_room];          // as they were added
        std::uint32_t order[k_room];   // when each is due within the span, and in the lower bits its index
        std::uint32_t sorted[k_room];  // room for a pass
    };

    bool has_table() {
        if (table_) return true;
        void* memory = mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return false;
        table_ = static_cast<Table*>(memory);
        return true;
    }

    [[nodiscard]] const Timer& first() const { return table_->timers[table_->order[next_] & k_index_mask]; }
    void skip_removed() {
        while (next_ != end_ && !first().who) ++next_;
    }

    // Of a radix sort, the lowest bits first (Knuth, "The Art of Computer Programming", 5.2.5).
    void pass(const std::uint32_t* from, std::uint32_t* to, unsigned shift) const {
        constexpr std::size_t k_buckets = std::size_t{1} << k_pass_bits;
        const auto bucket_of = [shift](std::uint32_t key) { return key >> shift & (k_buckets - 1); };
        std::array<std::uint32_t, k_buckets> place{};
        for (std::size_t i = 0; i < end_; ++i) ++place[bucket_of(from[i])];
        std::uint32_t before = 0;
        for (std::uint32_t& bucket : place) before += std::exchange(bucket, before);
        for (std::size_t i = 0; i < end_; ++i) to[place[bucket_of(from[i])]++] = from[i];
    }

    Table* table_ = nullptr;
    std::size_t next_ = 0;  // in `order`
    std::size_t end_ = 0;
};

}  // namespace reeve::sched
