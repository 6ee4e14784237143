// Stack, StackPool: millions of equal stacks in a few mappings, each with a guard page.
//
// Idea. Slabs of k_stacks_per_slab stacks are reserved without commitment; a page costs memory only when touched. The
// lowest page of each stack is a guard: MADV_GUARD_INSTALL where the kernel has it (Linux 6.13; no extra mapping, so
// vm.max_map_count does not matter), mprotect below that until the mappings run out, which is said once. Freed stacks
// are kept hot, the youngest first; what exceeds k_hot_stacks is given back to the kernel in the background (trim),
// because each such call interrupts the other CPUs. Slabs are never unmapped while the pool lives, so the top of a stack
// (where the scheduler keeps its Fiber) is type-stable memory, zero at first.
//
// Any thread; takes a lock; never parks; not signal-safe except is_in_guard().
//
// I1  A stack is in at most one of: pool, a processor's cache, a fiber.
// I2  Memory of a stack that was trimmed or never used reads as zero.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/base/spin_lock.hpp"

namespace reeve::context {

struct Stack {
    std::byte* bottom = nullptr;  // lowest usable byte, above the guard
    std::byte* top = nullptr;     // one past the highest
    explicit operator bool() const { return top != nullptr; }
};

class StackPool {
public:
    // `stack_bytes`: guard included, rounded up to whole pages.
    explicit StackPool(std::size_t stack_bytes);
    ~StackPool();
    StackPool(const StackPool&) = delete;
    StackPool& operator=(const StackPool&) = delete;

    // Up to `count` stacks into `into`; fewer only when the address space or memory is exhausted.
    std::size_t take(Stack* into, std::size_t count);
    void give(const Stack* stacks, std::size_t count);
    // Gives the pages of up to `count` freed stacks that exceed k_hot_stacks back to the kernel. False: there are none.
    bool trim(std::size_t count);
    [[nodiscard]] bool has_to_trim();

    [[nodiscard]] std::size_t stack_bytes() const { return stack_bytes_; }

    // Calls visit(Stack) for every stack that was ever handed out. Takes the lock.
    template <class Visitor>
    void for_each(Visitor visit) {
        for (std::size_t slab = 0;; ++slab) {
            SpinGuard guard(lock_);  // anew for each: there may be thousands, and others need it
            if (slab >= slabs_.size()) return;
            const std::size_t used = slab + 1 == slabs_.size() ? carved_ : k_stacks_per_slab;
            for (std::size_t i = 0; i < used; ++i) visit(at(slab, i));
        }
    }

    // True when `address` lies in the guard page of `stack`. Signal-safe.
    [[nodiscard]] static bool is_in_guard(const Stack& stack, const void* address);

    static constexpr std::size_t k_stacks_per_slab = 64;
    static constexpr std::size_t k_hot_stacks = 4096;  // 16 MiB of touched pages at one page each

private:
    [[nodiscard]] Stack at(std::size_t slab, std::size_t index) const;
    bool add_slab();
    void guard(Stack stack);

    const std::size_t stack_bytes_;
    SpinLock lock_;
    std::vector<std::byte*> slabs_;
    std::size_t carved_ = 0;    // stacks of the newest slab handed out so far
    std::vector<Stack> hot_;    // freed, pages still there
    std::vector<Stack> cold_;   // freed, pages given back
    std::vector<unsigned> valgrind_ids_;  // of stacks it was told about
    bool guards_by_madvise_ = true;
    bool guards_failed_ = false;
};

}  // namespace reeve::context
