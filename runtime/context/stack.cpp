#include "runtime/context/stack.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"

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
#ifndef PIDFD_SELF_THREAD_GROUP
#define PIDFD_SELF_THREAD_GROUP (-10001)  // Linux 6.15
#endif

namespace reeve::context {
namespace {

constexpr std::size_t k_page = 4096;
constexpr std::size_t k_batch = 32;

}  // namespace

StackPool::StackPool(std::size_t stack_bytes) : stack_bytes_((stack_bytes + k_page - 1) / k_page * k_page) {
    REEVE_CHECK(stack_bytes_ >= 4 * k_page);
}

StackPool::~StackPool() {
    for ([[maybe_unused]] const unsigned id : valgrind_ids_) VALGRIND_STACK_DEREGISTER(id);
    for (std::byte* slab : slabs_) munmap(slab, k_stacks_per_slab * stack_bytes_);
}

Stack StackPool::at(std::size_t number) const {
    std::byte* top = slabs_[number / k_stacks_per_slab] + (number % k_stacks_per_slab + 1) * stack_bytes_;
    return {top - stack_bytes_ + k_page, top, static_cast<std::uint32_t>(number)};
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
    if (memory == MAP_FAILED) return false;
    madvise(memory, bytes, MADV_NOHUGEPAGE);  // a huge page would make every stack 2 MiB resident
    slabs_.push_back(static_cast<std::byte*>(memory));
    hot_.reserve(room());
    cold_.reserve(room());
    return true;
}

bool StackPool::reserve(std::size_t count) {
    SpinGuard guard_lock(lock_);
    const std::size_t before = slabs_.size();
    while (room() < reserved_ + count) {
        if (add_slab()) continue;
        // None of these was used; others need the address space.
        for (; slabs_.size() > before; slabs_.pop_back()) munmap(slabs_.back(), k_stacks_per_slab * stack_bytes_);
        return false;
    }
    reserved_ += count;
    return true;
}

void StackPool::unreserve(std::size_t count) {
    SpinGuard guard_lock(lock_);
    reserved_ -= count;
}

void StackPool::guard(const Stack* stacks, std::size_t count) {
    iovec pages[k_batch];
    for (std::size_t i = 0; i < count; ++i) pages[i] = {stacks[i].bottom - k_page, k_page};
    const auto bytes = static_cast<long>(count * k_page);
    if (guards_in_batches_ && syscall(SYS_process_madvise, PIDFD_SELF_THREAD_GROUP, pages, count, MADV_GUARD_INSTALL, 0) == bytes) return;
    guards_in_batches_ = false;
    for (std::size_t i = 0; i < count; ++i) {
        if (guards_by_madvise_) {
            if (madvise(pages[i].iov_base, k_page, MADV_GUARD_INSTALL) == 0) continue;
            guards_by_madvise_ = false;
        }
        if (mprotect(pages[i].iov_base, k_page, PROT_NONE) != 0 && !guards_failed_) {
            guards_failed_ = true;
            warn("no more guard pages for fiber stacks (errno %d): stack overflows will go unnoticed; raise "
                 "vm.max_map_count or use Linux 6.13 or newer", errno);
        }
    }
}

std::size_t StackPool::carve(Stack* into, std::size_t count) {
    std::size_t carved = 0;
    while (carved < std::min(count, k_batch) && (carved_ < room() || add_slab())) {
        into[carved] = at(carved_++);
        // Else valgrind takes a switch for a very large frame, and what lies between for its uninitialised contents.
        if (RUNNING_ON_VALGRIND) valgrind_ids_.push_back(VALGRIND_STACK_REGISTER(into[carved].bottom, into[carved].top - 1));
        ++carved;
    }
    guard(into, carved);
    return carved;
}

std::size_t StackPool::take(Stack* into, std::size_t count) {
    SpinGuard guard_lock(lock_);
    std::size_t taken = 0;
    for (NumberSet* freed : {&hot_, &cold_})
        freed->take_lowest(count - taken, [&](std::size_t number) { into[taken++] = at(number); });
    while (taken < count) {
        const std::size_t carved = carve(into + taken, count - taken);
        if (carved == 0) {
            warn("cannot reserve memory for fiber stacks of %zu bytes (errno %d): check `ulimit -v`, vm.max_map_count and "
                 "vm.overcommit_memory", stack_bytes_, errno);
            break;
        }
        taken += carved;
    }
    least_hot_ = std::min(least_hot_, hot_.size());
    return taken;
}

void StackPool::give(const Stack* stacks, std::size_t count) {
    SpinGuard guard_lock(lock_);
    for (std::size_t i = 0; i < count; ++i) hot_.insert(stacks[i].number);
}

bool StackPool::begin_trim_period() {
    SpinGuard guard_lock(lock_);
    unneeded_ = least_hot_;
    least_hot_ = hot_.size();
    return unneeded_ > 0 && hot_.size() > k_hot_stacks;
}

bool StackPool::has_surplus() {
    SpinGuard guard_lock(lock_);
    return hot_.size() > k_hot_stacks;
}

bool StackPool::trim(std::size_t count) {
    Stack batch[k_batch];
    std::size_t taken = 0;
    {
        SpinGuard guard_lock(lock_);
        taken = std::min({count, k_batch, unneeded_, hot_.size() - std::min(hot_.size(), k_hot_stacks)});
        unneeded_ -= taken;
        for (std::size_t i = 0; i < taken; ++i) batch[i] = at(hot_.take_highest());
        least_hot_ -= std::min(least_hot_, taken);
    }
    if (taken == 0) return false;
    for (std::size_t i = 0; i < taken; ++i) madvise(batch[i].bottom, stack_bytes_ - k_page, MADV_DONTNEED);
    SpinGuard guard_lock(lock_);
    for (std::size_t i = 0; i < taken; ++i) cold_.insert(batch[i].number);
    return true;
}

}  // namespace reeve::context
