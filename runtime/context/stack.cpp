#include "runtime/context/stack.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/base/point.hpp"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(lowest, highest) 0U
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; newer than the C library's headers
#endif

namespace reeve::context {
namespace {

constexpr std::size_t k_page = 4096;

}  // namespace

StackPool::StackPool(std::size_t stack_bytes) : stack_bytes_((stack_bytes + k_page - 1) / k_page * k_page) {
    REEVE_CHECK(stack_bytes_ >= 4 * k_page);
}

StackPool::~StackPool() {
    for ([[maybe_unused]] const unsigned id : valgrind_ids_) VALGRIND_STACK_DEREGISTER(id);
    for (std::byte* slab : slabs_) munmap(slab, k_stacks_per_slab * stack_bytes_);
}

Stack StackPool::at(std::size_t slab, std::size_t index) const {
    std::byte* base = slabs_[slab] + index * stack_bytes_;
    return {base + k_page, base + stack_bytes_};
}

bool StackPool::is_in_guard(const Stack& stack, const void* address) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const auto bottom = reinterpret_cast<std::uintptr_t>(stack.bottom);
    return at >= bottom - k_page && at < bottom;
}

bool StackPool::add_slab() {
    const std::size_t bytes = k_stacks_per_slab * stack_bytes_;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        warn("cannot reserve %zu bytes for fiber stacks (errno %d): check `ulimit -v`, vm.max_map_count and "
             "vm.overcommit_memory", bytes, errno);
        return false;
    }
    madvise(memory, bytes, MADV_NOHUGEPAGE);  // a huge page would make every stack 2 MiB resident
    slabs_.push_back(static_cast<std::byte*>(memory));
    carved_ = 0;
    return true;
}

void StackPool::guard(Stack stack) {
    std::byte* page = stack.bottom - k_page;
    if (guards_by_madvise_) {
        if (madvise(page, k_page, MADV_GUARD_INSTALL) == 0) return;
        guards_by_madvise_ = false;
    }
    if (mprotect(page, k_page, PROT_NONE) != 0 && !guards_failed_) {
        guards_failed_ = true;
        warn("no more guard pages for fiber stacks (errno %d): stack overflows will go unnoticed; raise "
             "vm.max_map_count or use Linux 6.13 or newer", errno);
    }
}

std::size_t StackPool::take(Stack* into, std::size_t count) {
    [[maybe_unused]] const NoPoints quiet;
    SpinGuard guard_lock(lock_);
    std::size_t taken = 0;
    while (taken < count) {
        if (std::vector<Stack>& pool = hot_.empty() ? cold_ : hot_; !pool.empty()) {
            into[taken++] = pool.back();
            pool.pop_back();
            continue;
        }
        if ((slabs_.empty() || carved_ == k_stacks_per_slab) && !add_slab()) break;
        const Stack stack = at(slabs_.size() - 1, carved_++);
        guard(stack);
        // Else valgrind takes a switch for a very large frame, and what lies between for its uninitialised contents.
        if (RUNNING_ON_VALGRIND) valgrind_ids_.push_back(VALGRIND_STACK_REGISTER(stack.bottom, stack.top - 1));
        into[taken++] = stack;
    }
    return taken;
}

void StackPool::give(const Stack* stacks, std::size_t count) {
    SpinGuard guard_lock(lock_);
    hot_.insert(hot_.end(), stacks, stacks + count);
}

bool StackPool::has_to_trim() {
    SpinGuard guard_lock(lock_);
    return hot_.size() > k_hot_stacks;
}

bool StackPool::trim(std::size_t count) {
    constexpr std::size_t k_batch = 32;
    Stack batch[k_batch];
    std::size_t taken = 0;
    {
        SpinGuard guard_lock(lock_);
        while (taken < std::min(count, k_batch) && hot_.size() > k_hot_stacks) {
            batch[taken++] = hot_.back();
            hot_.pop_back();
        }
    }
    if (taken == 0) return false;
    for (std::size_t i = 0; i < taken; ++i)
        madvise(batch[i].bottom, static_cast<std::size_t>(batch[i].top - batch[i].bottom), MADV_DONTNEED);
    SpinGuard guard_lock(lock_);
    cold_.insert(cold_.end(), batch, batch + taken);
    return true;
}

}  // namespace reeve::context
