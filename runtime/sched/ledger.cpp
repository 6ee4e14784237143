#include "runtime/sched/ledger.hpp"

#include <type_traits>
#include <utility>

#include "runtime/base/time.hpp"

// Found by its name, from outside.
extern "C" {
[[gnu::used, gnu::visibility("default")]] std::atomic<const reeve::sched::Ledger*> reeve_preemption_ledger{nullptr};
}

namespace reeve::sched {
namespace {

constexpr unsigned k_place_bits = 4;
constexpr unsigned k_kind_shift = 56;  // user addresses end below

constexpr std::size_t index_of(TakeReason reason) { return static_cast<std::size_t>(reason); }

}  // namespace

static_assert(std::is_standard_layout_v<Ledger>, "its bytes are read from another process");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

Ledger::Ledger() noexcept { reeve_preemption_ledger.store(this, std::memory_order_release); }

Ledger::~Ledger() {
    const Ledger* self = this;
    reeve_preemption_ledger.compare_exchange_strong(self, nullptr, std::memory_order_relaxed);
}

// --- recording --------------------------------------------------------------------------------------------------------

void Ledger::Cell::add(std::int64_t ns) noexcept {
    count.fetch_add(1, std::memory_order_relaxed);
    if (ns <= 0) return;
    total_ns.fetch_add(ns, std::memory_order_relaxed);
    std::int64_t longest = max_ns.load(std::memory_order_relaxed);
    while (ns > longest && !max_ns.compare_exchange_weak(longest, ns, std::memory_order_relaxed)) {
    }
}

Ledger::Cell& Ledger::cell_of(std::size_t kind, std::uintptr_t code) noexcept {
    const std::uint64_t key = (std::uint64_t{kind} + 1) << k_kind_shift | code >> k_place_bits;
    const std::size_t first = (key * 0x9e3779b97f4a7c15U) >> 32;
    for (std::size_t i = 0; i < k_probes; ++i) {
        Cell& cell = cells_[(first + i) % k_rows];
        std::uint64_t found = cell.key.load(std::memory_order_relaxed);
        if (found == 0 && cell.key.compare_exchange_strong(found, key, std::memory_order_relaxed)) {
            cell.code.store(code, std::memory_order_relaxed);
            return cell;
        }
        if (found == key) return cell;  // I1
    }
    return others_[kind];
}

void Ledger::record(std::size_t kind, std::uintptr_t code, std::int64_t ns) noexcept {
    counts_[kind].fetch_add(1, std::memory_order_relaxed);
    cell_of(kind, code).add(ns);
}

void Ledger::handed_over(std::uintptr_t code, std::int64_t slice_ns) noexcept {
    record(k_handed_over, code, slice_ns);
    if (slice_ns >= 0) slice_.record(slice_ns);
}

void Ledger::taken(TakeReason reason, std::int64_t slice_ns) noexcept {
    taken_[index_of(reason)].fetch_add(1, std::memory_order_relaxed);
    if (slice_ns >= 0) (reason == TakeReason::blocked ? blocked_slice_ : slice_).record(slice_ns);
}

void Ledger::yielded(std::int64_t slice_ns) noexcept {
    yielded_.fetch_add(1, std::memory_order_relaxed);
    if (slice_ns >= 0) slice_.record(slice_ns);
}

void Ledger::refused(Refusal reason, std::uintptr_t code) noexcept {
    record(k_first_refusal + static_cast<std::size_t>(reason), code, -1);
}

void Ledger::parked(std::uintptr_t code, std::int64_t waited_ns) noexcept {
    record(k_parked, code, waited_ns);
    if (waited_ns >= 0) parked_for_.record(waited_ns);
}

void Ledger::detached(TakeReason reason, std::int64_t ran_ns) noexcept {
    (reason == TakeReason::blocked ? blocked_for_ : detached_for_).record(ran_ns);
}

void Detachment::end(Ledger& ledger) noexcept {
    const std::int64_t word = word_.exchange(0, std::memory_order_relaxed);
    if (word != 0) ledger.detached((word & 1) != 0 ? TakeReason::blocked : TakeReason::unanswered, monotonic_ns() - word / 2);
}

// --- reading ----------------------------------------------------------------------------------------------------------

PreemptionStats Ledger::stats() const noexcept {
    PreemptionStats stats;
    stats.handed_over = counts_[k_handed_over].load(std::memory_order_relaxed);
    stats.parked = counts_[k_parked].load(std::memory_order_relaxed);
    stats.taken_blocked = taken_[index_of(TakeReason::blocked)].load(std::memory_order_relaxed);
    stats.taken_unanswered = taken_[index_of(TakeReason::unanswered)].load(std::memory_order_relaxed);
    stats.yielded = yielded_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < k_refusals; ++i)
        stats.refusals[i] = counts_[k_first_refusal + i].load(std::memory_order_relaxed);
    stats.slice = slice_.snapshot();
    stats.blocked_slice = blocked_slice_.snapshot();
    stats.parked_for = parked_for_.snapshot();
    stats.detached_for = detached_for_.snapshot();
    stats.blocked_for = blocked_for_.snapshot();
    return stats;
}

LedgerRow Ledger::Cell::read(std::size_t kind) const {
    const bool is_refusal = kind >= k_first_refusal;
    return {.event = is_refusal ? PreemptEvent::refused : kind == k_parked ? PreemptEvent::parked : PreemptEvent::handed_over,
            .reason = is_refusal ? static_cast<Refusal>(kind - k_first_refusal) : Refusal{},
            .code = code.load(std::memory_order_relaxed),
            .count = count.load(std::memory_order_relaxed),
            .total_ns = total_ns.load(std::memory_order_relaxed),
            .max_ns = max_ns.load(std::memory_order_relaxed)};
}

LedgerSnapshot Ledger::snapshot() const {
    std::vector<LedgerRow> rows;
    for (const Cell& cell : cells_) {
        const std::uint64_t key = cell.key.load(std::memory_order_relaxed);
        if (key == 0) continue;
        LedgerRow row = cell.read((key >> k_kind_shift) - 1);
        if (row.count == 0) continue;  // claimed this moment
        if (row.code == 0) row.code = (key & ((std::uint64_t{1} << k_kind_shift) - 1)) << k_place_bits;
        rows.push_back(row);
    }
    for (std::size_t kind = 0; kind < k_kinds; ++kind)
        if (const LedgerRow row = others_[kind].read(kind); row.count != 0) rows.push_back(row);
    return {stats(), std::move(rows)};
}

}  // namespace reeve::sched
