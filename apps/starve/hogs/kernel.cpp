// Hogs in the kernel: blocked in it, or keeping it busy.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"

extern char** environ;

namespace reeve::starve::hogs {
namespace {

std::int64_t clock_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::int64_t nap_us(std::uint64_t seed) { return 1'000 + static_cast<std::int64_t>(mix(seed) % 7'000); }

}  // namespace

// From a timer, so that it ends: blocked as long as from any other descriptor.
std::uint64_t turn_read(std::uint64_t seed) {
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (timer < 0) return broken("read: no timer");
    itimerspec setting{};
    setting.it_value.tv_nsec = nap_us(seed) * 1'000;
    const std::int64_t from_ns = clock_ns();
    timerfd_settime(timer, 0, &setting, nullptr);
    std::uint64_t expirations = 0;
    const ssize_t bytes = read(timer, &expirations, sizeof expirations);
    const bool is_late_enough = clock_ns() - from_ns >= setting.it_value.tv_nsec;
    close(timer);
    if (bytes != sizeof expirations || expirations != 1) return broken("read: it failed");
    return is_late_enough ? mix(seed) : broken("read: back too early");
}

void endless_read() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    for (;;) {
        char nothing;
        if (read(ends[0], &nothing, 1) == 0) std::abort();  // the other end stays open: nothing ever comes
    }
}

// As careful code does it: a sleep that a signal ended goes on.
std::uint64_t turn_usleep(std::uint64_t seed) {
    const std::int64_t end_ns = clock_ns() + nap_us(seed) * 1'000;
    for (;;) {
        const std::int64_t left_ns = end_ns - clock_ns();
        if (left_ns <= 0) return mix(seed);
        if (usleep(static_cast<useconds_t>((left_ns + 999) / 1'000)) == 0)
            return clock_ns() >= end_ns ? mix(seed) : broken("usleep: back too early");
        if (errno != EINTR) return broken("usleep: it failed");
    }
}

void endless_usleep() {
    for (;;) usleep(200'000);
}

std::uint64_t turn_faults(std::uint64_t seed) {
    constexpr std::size_t k_bytes = 2'000'000 / 4096 * 4096;
    constexpr std::size_t k_stride = 4096;
    void* memory = mmap(nullptr, k_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return broken("faults: no memory");
    auto* words = static_cast<volatile std::uint64_t*>(memory);
    constexpr std::size_t k_words_per_page = k_stride / sizeof(std::uint64_t);
    constexpr std::size_t k_words = k_bytes / sizeof(std::uint64_t);
    std::uint64_t sum = 0;
    // Some thousand faults: as long as other turns, even where the host has to find each page, 10 us a time.
    for (int round = 0; round < 2; ++round) {
        for (std::size_t at = 0; at < k_words; at += k_words_per_page) {
            if (words[at] != 0) sum ^= broken("faults: a fresh page with something on it");
            words[at] = seed = mix(seed);
        }
        for (std::size_t at = 0; at < k_words; at += k_words_per_page) sum = mix(sum ^ words[at]);
        madvise(memory, k_bytes, MADV_DONTNEED);
    }
    munmap(memory, k_bytes);
    return sum;
}

std::uint64_t turn_children(std::uint64_t seed) {
    std::array<char*, 2> arguments{const_cast<char*>("/bin/true"), nullptr};
    for (std::uint64_t i = 0; i <= seed % 3; ++i) {
        pid_t child = -1;
        if (posix_spawn(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0)
            return broken("children: not started");
        int status = -1;
        if (waitpid(child, &status, 0) != child) return broken("children: not found");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return broken("children: /bin/true failed");
    }
    return mix(seed);
}

}  // namespace reeve::starve::hogs
