#include "runtime/os/thread.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <ctime>
#include <sched.h>
#include <string>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace reeve::os {
namespace {

struct Start {
    void (*body)(void*);
    void* argument;
    char name[16];
};

void* run(void* raw) {
    Start start = *static_cast<Start*>(raw);
    delete static_cast<Start*>(raw);
    pthread_setname_np(pthread_self(), start.name);
    start.body(start.argument);
    return nullptr;
}

// "max 100000" or "150000 100000" in cpu.max of the v2 control group the process is in.
unsigned quota_cpus() {
    char line[512];
    std::string group;
    if (FILE* file = fopen("/proc/self/cgroup", "re")) {
        while (fgets(line, sizeof line, file))
            if (strncmp(line, "0::", 3) == 0) group.assign(line + 3, strcspn(line + 3, "\n"));
        fclose(file);
    }
    unsigned cpus = ~0U;
    // Every group up to the root may have a quota; the smallest counts.
    for (;;) {
        if (FILE* file = fopen(("/sys/fs/cgroup" + group + "/cpu.max").c_str(), "re")) {
            long quota;
            long period;
            if (fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
                cpus = std::min(cpus, static_cast<unsigned>(std::max(1L, (quota + period - 1) / period)));
            fclose(file);
        }
        const auto slash = group.rfind('/');
        if (slash == std::string::npos) return cpus;
        group.resize(slash);
    }
}

}  // namespace

int start_thread(pthread_t& thread, const char* name, int open_signal, void (*body)(void*), void* argument) {
    auto* start = new Start{body, argument, {}};
    snprintf(start->name, sizeof start->name, "%s", name);
    sigset_t open;
    sigset_t before;
    sigemptyset(&open);
    sigaddset(&open, open_signal);
    pthread_sigmask(SIG_UNBLOCK, &open, &before);
    const int error = pthread_create(&thread, nullptr, run, start);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) delete start;
    return error;
}

std::int64_t cpu_time_ns(pthread_t thread) {
    clockid_t clock;
    timespec time;
    if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

bool is_runnable(int thread_id) {
    char path[48];
    char text[128];  // "1234 (name) S ..."; a name has 15 bytes at most
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return true;
    const ssize_t length = ::read(file, text, sizeof text - 1);
    ::close(file);
    if (length <= 0) return true;
    text[length] = '\0';
    const char* end_of_name = strrchr(text, ')');
    if (!end_of_name || end_of_name[1] == '\0') return true;
    const char state = end_of_name[2];
    return state == 'R' || state == 'T' || state == 't';  // stopped or traced: it will go on where it was
}

int thread_id() { return static_cast<int>(syscall(SYS_gettid)); }

void sleep_until(std::int64_t until_ns) {
    const timespec until{until_ns / 1'000'000'000, until_ns % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {}
}

void sharpen_timers() { prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

void install_alternate_stack() {
    // The signal frame alone can take 11.6 KiB where AMX is in use; the rest is for handlers.
    const std::size_t bytes = std::max<std::size_t>(getauxval(AT_MINSIGSTKSZ) + 32 * 1024, 64 * 1024);
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REEVE_CHECK(memory != MAP_FAILED);
    const stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = bytes};
    REEVE_CHECK(sigaltstack(&stack, nullptr) == 0);
}

unsigned available_cpus() {
    cpu_set_t set;
    unsigned cpus = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = static_cast<unsigned>(CPU_COUNT(&set));
    return std::max(1U, std::min(cpus, quota_cpus()));
}

}  // namespace reeve::os
