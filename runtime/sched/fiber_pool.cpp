#include "runtime/sched/fiber_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <sys/mman.h>

#include "runtime/base/assert.hpp"

namespace reeve::sched {
namespace {

constexpr std::size_t k_least_bytes = 64 * 1024;
constexpr std::size_t k_huge_page = 2 * 1024 * 1024;

std::byte* map(std::size_t bytes) {
    const bool is_huge = bytes == k_huge_page;
    // A huge page is one only where it is aligned; what is mapped too much for that costs no memory.
    const std::size_t mapped = is_huge ? 2 * bytes : bytes;
    void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto* first = static_cast<std::byte*>(memory);
    if (!is_huge) return first;
    const std::size_t before = -reinterpret_cast<std::uintptr_t>(memory) % bytes;
    if (before != 0) munmap(first, before);
    if (before != bytes) munmap(first + before + bytes, bytes - before);
    madvise(first + before, bytes, MADV_HUGEPAGE);
    return first + before;
}

}  // namespace

FiberPool::~FiberPool() {
    for (const Slab& slab : slabs_) munmap(slab.records, slab.bytes);
}

bool FiberPool::add_slab() {
    const std::size_t most = slabs_.empty() ? k_least_bytes : std::min(2 * slabs_.back().bytes, k_huge_page);
    // Where the address space is short a smaller one may still find room, with its stacks.
    for (std::size_t bytes = most; bytes >= k_least_bytes; bytes /= 2) {
        const std::size_t count = bytes / sizeof(Fiber);
        if (!stacks_.reserve(count)) continue;
        if (std::byte* first = map(bytes)) {
            const std::size_t before = slabs_.empty() ? 0 : slabs_.back().first + slabs_.back().count;
            slabs_.push_back({reinterpret_cast<Fiber*>(first), count, bytes, before});
            carved_ = 0;
            free_.reserve(before + count);
            return true;
        }
        stacks_.unreserve(count);
    }
    warn("cannot reserve memory for more fibers (errno %d): check `ulimit -v`, vm.max_map_count and vm.overcommit_memory", errno);
    return false;
}

const FiberPool::Slab& FiberPool::slab_of(std::size_t number) const {
    return *std::prev(std::upper_bound(slabs_.begin(), slabs_.end(), number,
                                       [](std::size_t wanted, const Slab& slab) { return wanted < slab.first; }));
}

std::size_t FiberPool::take(Fiber** into, std::size_t count) {
    std::size_t taken = 0;
    std::size_t known = 0;   // so many have been handed out before
    std::size_t number = 0;  // of the first that has not
    {
        SpinGuard guard(lock_);
        Slab slab;  // of the one before: it is mostly the same
        known = free_.take_lowest(count, [&](std::size_t next) {
            if (next - slab.first >= slab.count) slab = slab_of(next);
            into[taken++] = slab.records + (next - slab.first);
        });
        if (!slabs_.empty()) number = slabs_.back().first + carved_;
        while (taken < count && (has_fresh() || add_slab()))
            into[taken++] = &slabs_.back().records[carved_++];
    }
    // Not under the lock: the kernel has to find memory for these.
    for (std::size_t i = known; i < taken; ++i) into[i]->number = static_cast<std::uint32_t>(number++);
    return taken;
}

void FiberPool::give(Fiber* const* fibers, std::size_t count) {
    SpinGuard guard(lock_);
    for (std::size_t i = 0; i < count; ++i) free_.insert(fibers[i]->number);
}

}  // namespace reeve::sched
