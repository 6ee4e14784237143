#include "tools/prof/perf_events.hpp"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace reeve::prof {
namespace {

// The largest that fits a record, whose size is 16 bits: deeper stacks are shown as incomplete.
constexpr std::uint32_t k_stack_dump_bytes = 48 * 1024;

// Per CPU: a third of a second at 999 samples a second, if we may have that much locked memory; else what we
// get.
constexpr std::size_t k_ring_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t k_ring_bytes_min = 256 * 1024;

constexpr std::size_t k_page_bytes = 4096;

// The kernel numbers registers in its own way (asm/perf_regs.h): ax bx cx dx si di bp sp ip at 0 to 8, r8 to
// r15 at 16 to 23. It hands them out in that order; here is where DWARF has them.
constexpr std::uint64_t k_register_mask = 0xff01ff;
constexpr std::array<std::size_t, k_register_count> k_to_dwarf{0, 3, 2,  1,  4,  5,  6,  7, 16,
                                                               8, 9, 10, 11, 12, 13, 14, 15};

void allow_many_descriptors() {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

template <class T>
bool take(std::span<const std::byte>& from, T& value) {
    if (from.size() < sizeof value) return false;
    std::memcpy(&value, from.data(), sizeof value);
    from = from.subspan(sizeof value);
    return true;
}

}  // namespace

PerfEvents::~PerfEvents() {
    for (const Ring& ring : rings_) munmap(ring.page, ring.bytes);
    for (const int fd : fds_) close(fd);
}

bool PerfEvents::attach(std::span<const pid_t> threads, std::int64_t period_ns) {
    allow_many_descriptors();
    const auto cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
    for (const pid_t tid : threads)
        for (int cpu = 0; cpu < cpus; ++cpu)
            if (!open_on(cpu, tid, period_ns)) return false;
    return !fds_.empty();
}

bool PerfEvents::open_on(int cpu, pid_t tid, std::int64_t period_ns) {
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.config = PERF_COUNT_SW_CPU_CLOCK;
    attributes.size = sizeof attributes;
    attributes.sample_period = static_cast<std::uint64_t>(period_ns);
    attributes.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
    attributes.sample_regs_user = k_register_mask;
    attributes.sample_stack_user = k_stack_dump_bytes;
    attributes.inherit = 1;
    attributes.exclude_hv = 1;
    const int fd =
        static_cast<int>(syscall(SYS_perf_event_open, &attributes, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC));
    // A thread that has ended and a CPU that is switched off need no event.
    if (fd < 0) return errno == ESRCH || errno == ENODEV;
    fds_.push_back(fd);
    const auto ring =
        std::find_if(rings_.begin(), rings_.end(), [cpu](const Ring& one) { return one.cpu == cpu; });
    if (ring != rings_.end()) return ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) == 0;
    return make_ring(cpu, fd);
}

bool PerfEvents::make_ring(int cpu, int fd) {
    for (std::size_t bytes = k_ring_bytes_max; bytes >= k_ring_bytes_min; bytes /= 2) {
        void* memory = mmap(nullptr, k_page_bytes + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) continue;
        rings_.push_back({cpu, fd, static_cast<perf_event_mmap_page*>(memory), k_page_bytes + bytes});
        return true;
    }
    return false;
}

void PerfEvents::drain(const std::function<void(const Snapshot&)>& use) {
    for (const Ring& ring : rings_) {
        const auto* data = reinterpret_cast<const std::byte*>(ring.page) + ring.page->data_offset;
        const std::size_t size = ring.page->data_size;
        // Pairs with the kernel's barriers: records before the head are whole, those before the tail may be
        // overwritten.
        const std::uint64_t head = std::atomic_ref(ring.page->data_head).load(std::memory_order_acquire);
        std::uint64_t tail = ring.page->data_tail;
        while (tail < head) {
            perf_event_header header;
            std::memcpy(&header, data + tail % size, sizeof header);  // 8-byte aligned, so never split
            record_.resize(header.size);
            const std::size_t first = std::min<std::size_t>(header.size, size - tail % size);
            std::memcpy(record_.data(), data + tail % size, first);
            std::memcpy(record_.data() + first, data, header.size - first);
            tail += header.size;
            std::atomic_ref(ring.page->data_tail).store(tail, std::memory_order_release);
            take_record(record_, use);
        }
    }
}

void PerfEvents::take_record(std::span<const std::byte> record,
                             const std::function<void(const Snapshot&)>& use) {
    perf_event_header header;
    if (!take(record, header)) return;
    if (header.type == PERF_RECORD_LOST) {
        std::array<std::uint64_t, 2> id_and_count{};
        if (take(record, id_and_count)) lost_ += id_and_count[1];
    }
    if (header.type != PERF_RECORD_SAMPLE) return;
    std::array<std::uint32_t, 2> pid_and_tid{};
    std::uint64_t abi = PERF_SAMPLE_REGS_ABI_NONE;
    if (!take(record, pid_and_tid) || !take(record, abi) || abi != PERF_SAMPLE_REGS_ABI_64) return;
    Snapshot snapshot;
    snapshot.tid = static_cast<pid_t>(pid_and_tid[1]);
    for (const std::size_t dwarf : k_to_dwarf)
        if (!take(record, snapshot.registers[dwarf])) return;
    std::uint64_t dumped = 0;
    if (!take(record, dumped) || record.size() < dumped + (dumped > 0 ? sizeof dumped : 0)) return;
    snapshot.stack_start = snapshot.registers[k_stack_pointer];
    if (dumped > 0) {
        std::uint64_t valid = 0;
        std::memcpy(&valid, record.data() + dumped, sizeof valid);
        snapshot.stack = record.first(std::min(valid, dumped));
    }
    use(snapshot);
}

}  // namespace reeve::prof
