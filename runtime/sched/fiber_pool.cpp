#include "runtime/sched/fiber_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <numeric>
#include <sys/mman.h>

#include "runtime/base/assert.hpp"
#include "runtime/base/point.hpp"

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
            slabs_.push_back({reinterpret_cast<Fiber*>(first), count, bytes});
            carved_ = 0;
            // Room for all, and touched, now, when none is free: a million that end at once are not to wait until a vector has been
            // copied or the kernel has found memory for it.
            const std::size_t records = std::accumulate(slabs_.begin(), slabs_.end(), std::size_t{0},
                                                        [](std::size_t sum, const Slab& slab) { return sum + slab.count; });
            if (free_.capacity() < records) free_.reserve(2 * records);
            free_.resize(records);
            free_.clear();
            return true;
        }
        stacks_.unreserve(count);
    }
    warn("cannot reserve memory for more fibers (errno %d): check `ulimit -v`, vm.max_map_count and vm.overcommit_memory", errno);
    return false;
}

std::size_t FiberPool::take(Fiber** into, std::size_t count) {
    [[maybe_unused]] const NoPoints quiet;
    SpinGuard guard(lock_);
    std::size_t taken = 0;
    while (taken < count) {
        if (!free_.empty()) {
            into[taken++] = free_.back();
            free_.pop_back();
            continue;
        }
        if ((slabs_.empty() || carved_ == slabs_.back().count) && !add_slab()) break;
        into[taken++] = &slabs_.back().records[carved_++];
    }
    return taken;
}

void FiberPool::give(Fiber* const* fibers, std::size_t count) {
    SpinGuard guard(lock_);
    free_.insert(free_.end(), fibers, fibers + count);
}

}  // namespace reeve::sched
