#include "runtime/os/epoll.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/base/time.hpp"
#include "runtime/os/file_threads.hpp"
#include "runtime/os/system_call.hpp"

namespace reeve::os {
namespace {

constexpr std::uint64_t k_wake = ~std::uint64_t{0};
constexpr std::uint32_t k_always = EPOLLERR | EPOLLHUP;  // told whether asked for or not
constexpr std::size_t k_events = 128;                    // at one look

timespec span_of(std::int64_t ns) { return {ns / 1'000'000'000, ns % 1'000'000'000}; }

std::uint64_t data_of(int fd, std::uint32_t generation) {
    return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

int look(int epoll, epoll_event* events) { return ::epoll_wait(epoll, events, static_cast<int>(k_events), 0); }

int wait_until(int epoll, epoll_event* events, std::int64_t deadline_ns) {
    static std::atomic<bool> s_lacks_pwait2{false};
    const bool is_never = deadline_ns == Deadline::k_never_ns;
    const timespec limit = span_of(is_never ? 0 : std::max<std::int64_t>(deadline_ns - monotonic_ns(), 0));
    const timespec* timeout = is_never ? nullptr : &limit;
    if (!s_lacks_pwait2.load(std::memory_order_relaxed)) {
        const int count = ::epoll_pwait2(epoll, events, static_cast<int>(k_events), timeout, nullptr);
        if (count >= 0 || errno == EINTR) return count;
        s_lacks_pwait2.store(true, std::memory_order_relaxed);  // before Linux 5.11, or under a profile that does not know it
    }
    pollfd one{epoll, POLLIN, 0};
    return ::ppoll(&one, 1, timeout, nullptr) > 0 ? look(epoll, events) : 0;
}

}  // namespace

Epoll::Epoll(FileThreads& files)
    : files_(files), epoll_(::epoll_create1(EPOLL_CLOEXEC)), event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    (void)write_flags();
    // Edge-triggered: each wake is told once, and nobody needs to read it.
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = k_wake}};
    if (epoll_ < 0 || event_fd_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_fd_, &event) != 0)
        fatal("epoll is refused, too (errno %d): is there a descriptor left (`ulimit -n`)", errno);
}

Epoll::~Epoll() {
    ::close(epoll_);
    ::close(event_fd_);
}

bool Epoll::has_in_flight() const { return in_flight_.load(std::memory_order_relaxed) > 0; }

bool Epoll::push(const Request& request) {
    Pending& pending = *request.pending;
    if (request.opcode == Opcode::cancel) {
        cancel(pending);
        return true;
    }
    pending.user_data = request.user_data;
    pending.engine = this;
    in_flight_.store(in_flight_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (request.opcode != Opcode::poll) {
        pending.place = Pending::Place::in_thread;
        files_.push(pending);
        return true;
    }
    pending.fd = request.fd;
    pending.events = request.flags;
    SpinGuard guard(lock_);
    if (request.fd < 0) {
        finish_locked(pending, -EBADF);
        return true;
    }
    const auto number = static_cast<std::size_t>(request.fd);
    if (number >= watched_.size()) watched_.resize(std::max(number + 1, 2 * watched_.size()));
    Watched& watched = watched_[number];
    watched.waiting.push_back(pending);
    pending.place = Pending::Place::watched;
    polls_.store(polls_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (const int error = arm(request.fd, watched); error != 0) {
        forget_poll(watched, pending);
        finish_locked(pending, -error);
    }
    return true;
}

int Epoll::arm(int fd, Watched& watched) {
    std::uint32_t wanted = k_always;
    for (const Pending* one = watched.waiting.first(); one; one = one->next) wanted |= one->events;
    if ((wanted & ~watched.armed) == 0) return 0;
    for (int attempts = 0; attempts < 3; ++attempts) {
        const int operation = watched.is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        if (!watched.is_known) ++watched.generation;
        epoll_event event{.events = wanted | EPOLLONESHOT, .data = {.u64 = data_of(fd, watched.generation)}};
        if (::epoll_ctl(epoll_, operation, fd, &event) == 0) {
            watched.is_known = true;
            watched.armed = wanted;
            return 0;
        }
        if (errno == EINTR) continue;
        if (errno != ENOENT && errno != EEXIST) return errno;
        watched.is_known = errno == EEXIST;
    }
    return ENOENT;  // somebody closes and opens the number all the time
}

void Epoll::disarm(int fd, Watched& watched) {
    if (watched.armed == 0) return;
    epoll_event unused{};
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &unused);
    watched.armed = 0;
    watched.is_known = false;
}

void Epoll::take_all(const epoll_event* events, int count) {
    if (count <= 0) return;
    SpinGuard guard(lock_);
    std::for_each(events, events + count, [this](const epoll_event& event) { take(event); });
}

void Epoll::take(const epoll_event& event) {
    if (event.data.u64 == k_wake) return;
    const auto fd = static_cast<std::uint32_t>(event.data.u64);
    Watched& watched = watched_[fd];
    if (watched.generation != event.data.u64 >> 32) return;
    watched.armed = 0;
    for (Pending* one = watched.waiting.first(); one;) {
        Pending* next = one->next;
        if (const std::uint32_t hit = event.events & (one->events | k_always); hit != 0) {
            forget_poll(watched, *one);
            finish_locked(*one, static_cast<std::int32_t>(hit));
        }
        one = next;
    }
    if (watched.waiting.is_empty()) return;
    if (const int error = arm(static_cast<int>(fd), watched); error != 0) {
        while (Pending* one = watched.waiting.first()) {
            forget_poll(watched, *one);
            finish_locked(*one, -error);
        }
    }
}

void Epoll::forget_poll(Watched& watched, Pending& pending) {
    watched.waiting.remove(pending);
    polls_.store(polls_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void Epoll::finish_locked(Pending& pending, std::int32_t result) {
    pending.place = Pending::Place::finished;
    pending.result = result;
    ready_.push_back(pending);
    has_ready_.store(true, std::memory_order_seq_cst);  // pairs with is_asleep_ in wait()
}

void Epoll::finish(Pending& pending, std::int32_t result) {
    {
        SpinGuard guard(lock_);
        finish_locked(pending, result);
    }
    wake_if_asleep();
}

void Epoll::wake_if_asleep() {
    if (is_asleep_.load(std::memory_order_seq_cst)) wake();
}

void Epoll::cancel(Pending& pending) {
    {
        SpinGuard guard(lock_);
        if (pending.place == Pending::Place::watched) {
            Watched& watched = watched_[static_cast<std::size_t>(pending.fd)];
            forget_poll(watched, pending);
            if (watched.waiting.is_empty()) disarm(pending.fd, watched);
            finish_locked(pending, -ECANCELED);
        }
        if (pending.place != Pending::Place::in_thread) return;
    }
    files_.cancel(pending);
}

void Epoll::cancel_all(int fd) {
    bool has_cancelled = false;
    {
        SpinGuard guard(lock_);
        if (fd >= 0 && static_cast<std::size_t>(fd) < watched_.size()) {
            Watched& watched = watched_[static_cast<std::size_t>(fd)];
            has_cancelled = !watched.waiting.is_empty();
            while (Pending* one = watched.waiting.first()) {
                forget_poll(watched, *one);
                finish_locked(*one, -ECANCELED);
            }
            disarm(fd, watched);
        }
    }
    if (has_cancelled) wake_if_asleep();
    files_.cancel_all(fd);
}

unsigned Epoll::drain(Completion* into, unsigned room) {
    if (!is_fresh_ && !has_ready_.load(std::memory_order_relaxed) && polls_.load(std::memory_order_relaxed) != 0) {
        std::array<epoll_event, k_events> events;
        take_all(events.data(), look(epoll_, events.data()));
    }
    is_fresh_ = false;
    if (!has_ready_.load(std::memory_order_relaxed)) return 0;
    unsigned count = 0;
    {
        SpinGuard guard(lock_);
        while (count < room) {
            const Pending* one = ready_.pop_front();
            if (!one) break;
            into[count++] = {one->user_data, one->result};
        }
        has_ready_.store(!ready_.is_empty(), std::memory_order_relaxed);
    }
    in_flight_.store(in_flight_.load(std::memory_order_relaxed) - static_cast<int>(count), std::memory_order_relaxed);
    return count;
}

bool Epoll::has_completions() const {
    if (has_ready_.load(std::memory_order_acquire)) return true;
    if (polls_.load(std::memory_order_relaxed) == 0) return false;
    pollfd one{epoll_, POLLIN, 0};
    return ::poll(&one, 1, 0) > 0;
}

void Epoll::wait(std::int64_t deadline_ns) {
    is_asleep_.store(true, std::memory_order_seq_cst);
    if (!has_ready_.load(std::memory_order_seq_cst)) {
        std::array<epoll_event, k_events> events;
        take_all(events.data(), wait_until(epoll_, events.data(), deadline_ns));
    }
    is_asleep_.store(false, std::memory_order_relaxed);
    is_fresh_ = true;
}

void Epoll::wake() {
    const int saved = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(event_fd_, &one, sizeof one);
    errno = saved;
}

}  // namespace reeve::os
