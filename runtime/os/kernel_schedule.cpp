#include "runtime/os/kernel_schedule.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace reeve::os {
namespace {

// The kernel's struct sched_attr (first version); its header clashes with the C library's.
struct Attributes {
    std::uint32_t size;
    std::uint32_t policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime;
    std::uint64_t deadline;
    std::uint64_t period;
};

constexpr std::uint64_t k_reset_on_fork = 1;

// Changes the attributes of a thread of the ordinary classes; others are the user's own choice.
template <class Change>
void change(int thread_id, Change apply) {
    Attributes attributes{};
    if (syscall(SYS_sched_getattr, thread_id, &attributes, sizeof attributes, 0) != 0) return;
    if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH) return;
    apply(attributes);
    if (attributes.nice >= 0) attributes.flags |= k_reset_on_fork;
    syscall(SYS_sched_setattr, thread_id, &attributes, 0);
}

cpu_set_t set_of(const std::vector<int>& cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int one : cpus) CPU_SET(static_cast<unsigned>(one), &set);
    return set;
}

}  // namespace

void ask_for_slice(int thread_id, std::int64_t slice_ns) {
    change(thread_id, [=](Attributes& attributes) { attributes.runtime = static_cast<std::uint64_t>(slice_ns); });
}

void set_batch(int thread_id, bool is_batch) {
    change(thread_id, [=](Attributes& attributes) { attributes.policy = is_batch ? SCHED_BATCH : SCHED_OTHER; });
}

bool ask_for_real_time() {
    const sched_param lowest{1};
    return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) == 0;
}

int nice_value() { return getpriority(PRIO_PROCESS, 0); }

void set_nice_value(int nice) {
    if (nice != nice_value()) setpriority(PRIO_PROCESS, 0, nice);
}

std::vector<int> allowed_cpus() {
    cpu_set_t set;
    std::vector<int> cpus;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
    return cpus;
}

bool pin_thread(int thread_id, int cpu, const std::vector<int>& allowed) {
    const cpu_set_t all = set_of(allowed);
    cpu_set_t set{};
    if (syscall(SYS_sched_getaffinity, thread_id, sizeof set, &set) <= 0 || !CPU_EQUAL(&set, &all)) return false;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    return syscall(SYS_sched_setaffinity, thread_id, sizeof set, &set) == 0;
}

void unpin_thread(int thread_id, const std::vector<int>& allowed) {
    const cpu_set_t set = set_of(allowed);
    syscall(SYS_sched_setaffinity, thread_id, sizeof set, &set);
}

}  // namespace reeve::os
