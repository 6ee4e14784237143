// Stack, StackPool: millions of equal stacks in a few mappings, each with a guard page.
//
// Idea. Slabs of k_stacks_per_slab stacks are reserved without commitment; a page costs memory only when touched. The
// lowest page of each stack is a guard: MADV_GUARD_INSTALL where the kernel has it (Linux 6.13; no extra mapping, so
// vm.max_map_count does not matter; many with one call), mprotect below that until the mappings run out, which is said once.
// Of the freed stacks the one with the lowest number is taken next, as some allocators do (address-ordered first fit): those that
// fibers begin on one after the other then lie side by side again, in whatever order they were freed, and so do the page tables'
// entries that lead there, most of what it costs to touch a stack that has left the caches. What is in use gathers at one end.
// What exceeds k_hot_stacks and was not needed for a while is given back to the kernel in the background from the other end (trim):
// each such call interrupts the other CPUs, and a page costs some microseconds when it is touched again. Slabs are never unmapped
// while the pool lives.
//
// Any thread; takes a lock; never parks; not signal-safe except is_in_guard().
//
// I1  A stack is in at most one of: pool, a processor's cache, a fiber.
// I2  Memory of a stack that was trimmed or never used reads as zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/number_set.hpp"
#include "runtime/base/spin_lock.hpp"

namespace reeve::context {

struct Stack {
    std::byte* bottom = nullptr;  // lowest usable byte, above the guard
    std::byte* top = nullptr;     // one past the highest
    std::uint32_t number = 0;     // in its pool
    explicit operator bool() const { return top != nullptr; }
};

class StackPool {
public:
    // `stack_bytes`: guard included, rounded up to whole pages.
    explicit StackPool(std::size_t stack_bytes);
    ~StackPool();
    StackPool(const StackPool&) = delete;
    StackPool& operator=(const StackPool&) = delete;

    // Address space for `count` stacks more: as many as were reserved in all can be in use without take() failing. False: there is
    // none.
    bool reserve(std::size_t count);
    void unreserve(std::size_t count);  // some of these are not needed after all; they stay mapped
    // Up to `count` stacks into `into`; fewer only when the address space is exhausted.
    std::size_t take(Stack* into, std::size_t count);
    void give(const Stack* stacks, std::size_t count);
    // Gives the pages of up to `count` freed stacks back to the kernel, of those that exceed k_hot_stacks and that nobody needed
    // since the last call of begin_trim_period(). False: there are none (more).
    bool trim(std::size_t count);
    // From now on it counts how many freed stacks are needed. True: some were not, and trim() has something to do.
    bool begin_trim_period();
    // There may be something to trim in the next period.
    [[nodiscard]] bool has_surplus();

    [[nodiscard]] std::size_t stack_bytes() const { return stack_bytes_; }

    // True when `address` lies in the guard page of `stack`. Signal-safe.
    [[nodiscard]] static bool is_in_guard(const Stack& stack, const void* address);

    static constexpr std::size_t k_stacks_per_slab = 64;
    static constexpr std::size_t k_hot_stacks = 4096;  // 16 MiB of touched pages at one page each

private:
    [[nodiscard]] Stack at(std::size_t number) const;
    [[nodiscard]] std::size_t room() const { return slabs_.size() * k_stacks_per_slab; }
    bool add_slab();
    std::size_t carve(Stack* into, std::size_t count);  // new ones
    void guard(const Stack* stacks, std::size_t count);

    const std::size_t stack_bytes_;
    SpinLock lock_;
    std::vector<std::byte*> slabs_;
    std::size_t reserved_ = 0;
    std::size_t carved_ = 0;    // stacks handed out so far
    std::size_t least_hot_ = 0; // in this period
    std::size_t unneeded_ = 0;  // of the hot ones, in the period before; not trimmed yet
    NumberSet hot_;   // freed ones whose pages are still there
    NumberSet cold_;  // whose pages were given back
    std::vector<unsigned> valgrind_ids_;  // of stacks it was told about
    bool guards_in_batches_ = true;
    bool guards_by_madvise_ = true;
    bool guards_failed_ = false;
};

}  // namespace reeve::context
