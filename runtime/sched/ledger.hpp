// Ledger: what preemption did, why, in which code, and how long it took. Written where it happens, also in the signal
// handler of a thread that may have been interrupted anywhere.
//
// Idea. Three kinds of memory, all fixed and all added to by relaxed atomic operations: a counter per event and reason,
// histograms of durations, and rows of a hash table, one per event, reason and place. The place is the interrupted code
// address, to 16 bytes: a loop fills few rows, and compilers begin functions at multiples of 16. A row is claimed by one
// compare-exchange of its key and never given back; where none is free within k_probes the event goes to the row "other"
// of its kind, so that the sums stay exact. Names are found when somebody reads.
//
// Cost. The longest call, handed_over(), is eight atomic operations on five cache lines: some 60 ns when the lines are at
// hand, half a microsecond when each of them comes from another CPU. There are at most a few thousand a second, one per
// slice that expires, so one ledger serves all processors.
//
// One per Scheduler, not one per process: the figures begin with run(), and threads that an earlier run() had to abandon
// still find theirs. The newest is published as `reeve_preemption_ledger`, for reeve-prof, which reads another process's
// ledger from its memory: hence no pointers inside, and the layout number.
//
// Callers: recording, any thread, signal-safe, lock-free. Reading: any thread; snapshot() allocates.
//
// I1  A row's key is written once, from 0. What is counted in a row belongs to that key.
// I2  Every event is counted in exactly one counter and, if it has a place, in exactly one row.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/preemption.hpp"

namespace reeve::sched {

enum class PreemptEvent : std::uint8_t { handed_over, parked, refused, taken, yielded };

// Why a processor was taken without asking. blocked: the thread's CPU clock stood still, so it sleeps in the kernel, or
// the kernel gives it no CPU.
enum class TakeReason : std::uint8_t { blocked, unanswered };

struct LedgerRow {
    PreemptEvent event;   // one that has a place: handed_over, parked, refused
    Refusal reason;       // of a refusal
    std::uintptr_t code;  // an address in the function; 0: all places that found no row
    std::uint64_t count;
    std::int64_t total_ns;
    std::int64_t max_ns;
};

struct LedgerSnapshot {
    PreemptionStats stats;
    std::vector<LedgerRow> rows;
};

class Ledger {
public:
    static constexpr std::size_t k_rows = 2048;
    static constexpr std::size_t k_probes = 16;

    Ledger() noexcept;
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    // A negative duration is unknown: the event is counted, the duration is not.
    void handed_over(std::uintptr_t code, std::int64_t slice_ns) noexcept;
    void taken(TakeReason reason, std::int64_t slice_ns) noexcept;
    void yielded(std::int64_t slice_ns) noexcept;
    void refused(Refusal reason, std::uintptr_t code) noexcept;
    void parked(std::uintptr_t code, std::int64_t waited_ns) noexcept;
    // The end of a detachment (see there).
    void detached(TakeReason reason, std::int64_t ran_ns) noexcept;

    [[nodiscard]] PreemptionStats stats() const noexcept;

    [[nodiscard]] LedgerSnapshot snapshot() const;

    // What a ledger begins with in memory: reeve-prof looks at it before it believes the rest.
    static constexpr std::uint64_t k_layout = 0x72656576'65'6c6731;  // changes with the layout: "reevelg1"
    [[nodiscard]] bool is_readable() const { return layout_ == (k_layout ^ sizeof(Ledger)); }

private:
    struct Cell {
        std::atomic<std::uint64_t> key{0};   // kind and place; 0: free
        std::atomic<std::uintptr_t> code{0}; // the first address seen there; 0 for a moment after the key
        std::atomic<std::uint64_t> count{0};
        std::atomic<std::int64_t> total_ns{0};
        std::atomic<std::int64_t> max_ns{0};

        void add(std::int64_t ns) noexcept;
        [[nodiscard]] LedgerRow read(std::size_t kind) const;
    };

    // What has places: two events, and one kind per reason to refuse.
    static constexpr std::size_t k_handed_over = 0;
    static constexpr std::size_t k_parked = 1;
    static constexpr std::size_t k_first_refusal = 2;
    static constexpr std::size_t k_kinds = k_first_refusal + k_refusals;

    void record(std::size_t kind, std::uintptr_t code, std::int64_t ns) noexcept;
    [[nodiscard]] Cell& cell_of(std::size_t kind, std::uintptr_t code) noexcept;

    std::uint64_t layout_ = k_layout ^ sizeof(Ledger);
    std::array<std::atomic<std::uint64_t>, k_kinds> counts_{};
    std::array<std::atomic<std::uint64_t>, 2> taken_{};
    std::atomic<std::uint64_t> yielded_{0};
    HistogramRecorder slice_;
    HistogramRecorder blocked_slice_;
    HistogramRecorder parked_for_;
    HistogramRecorder detached_for_;
    HistogramRecorder blocked_for_;
    std::array<Cell, k_kinds> others_{};
    std::array<Cell, k_rows> cells_{};
};

// Detachment: since when a thread has been without a processor, and why.
//
// begin() may find itself belated: whoever takes a processor says so before it is decided, so a thread
// that kept its processor may carry a beginning. Whoever gives a processor away in its own name clears it first.
class Detachment {
public:
    // The taker, before it takes. Any thread.
    void begin(TakeReason reason, std::int64_t now_ns) noexcept {
        word_.store(now_ns * 2 + (reason == TakeReason::blocked ? 1 : 0), std::memory_order_relaxed);
    }
    // The rest: the thread itself; signal-safe.
    // It gives its processor away: until it is parked or refuses to be, nothing counts as running without one.
    void clear() noexcept { word_.store(0, std::memory_order_relaxed); }
    // It was not parked and goes on computing.
    void go_on(std::int64_t now_ns) noexcept {
        if (word_.load(std::memory_order_relaxed) == 0) begin(TakeReason::unanswered, now_ns);
    }
    // It is parked, or stands in line.
    void end(Ledger& ledger) noexcept;

private:
    std::atomic<std::int64_t> word_{0};  // twice the beginning, plus one if it blocked; 0: none
};

}  // namespace reeve::sched
