#include "runtime/os/ring.hpp"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "runtime/base/assert.hpp"
#include "runtime/base/time.hpp"
#include "runtime/os/system_call.hpp"

namespace reeve::os {
namespace {

// Linux 6.13: post a message to another ring without having one. Newer than liburing 2.3.
constexpr unsigned k_register_send_msg_ring = 31;

// Operations newer than liburing 2.3. The kernel is asked for them once.
constexpr std::uint8_t k_ftruncate = 55;          // Linux 6.9
constexpr std::uint8_t k_sendmsg_zero_copy = 48;  // Linux 6.1; nothing that is needed is newer
std::atomic<bool> s_knows_ftruncate{false};

constexpr std::uint64_t k_wake = 1;  // user_data of the completion that wake() makes; no pointer has this value

// The errno of what the kernel lacks of Linux 6.1, or of what a profile refuses beside io_uring_setup. Asked once.
int ask_what_the_kernel_knows(io_uring& ring) {
    static std::atomic<bool> s_was_asked{false};
    if (s_was_asked.load(std::memory_order_relaxed)) return 0;
    io_uring_probe* probe = io_uring_get_probe_ring(&ring);
    if (!probe) return EPERM;
    const bool is_new_enough = io_uring_opcode_supported(probe, k_sendmsg_zero_copy) != 0;
    s_knows_ftruncate.store(io_uring_opcode_supported(probe, k_ftruncate) != 0, std::memory_order_relaxed);
    io_uring_free_probe(probe);
    if (!is_new_enough) return ENOSYS;
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    io_uring_prep_nop(sqe);
    io_uring_cqe* cqe = nullptr;
    if (const int result = io_uring_submit_and_wait(&ring, 1); result < 0) return -result;
    if (const int result = io_uring_wait_cqe(&ring, &cqe); result < 0) return -result;
    io_uring_cqe_seen(&ring, cqe);
    s_was_asked.store(true, std::memory_order_relaxed);
    return 0;
}

}  // namespace

struct Ring::Impl {
    void note_in_flight(int change) {
        in_flight.store(in_flight.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
    }
    void note_unsubmitted() { unsubmitted.store(io_uring_sq_ready(&ring), std::memory_order_relaxed); }

    io_uring ring{};
    std::atomic<int> in_flight{0};  // the owner's requests, without cancellations and what wakes it
    std::atomic<unsigned> unsubmitted{0};  // the queue's own count is not for other threads to read
    int event_fd = -1;  // only where the kernel cannot send a message without a ring
};

std::unique_ptr<Ring> Ring::make(unsigned entries, int& error) {
    auto impl = std::make_unique<Impl>();
    io_uring_params parameters{};
    // Completions may pile up behind one slow turn of the loop. And the kernel sizes by this number the table in which it
    // finds a request to be cancelled: with 2,048 entries and thousands of polls it walked lists of a hundred.
    parameters.flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    parameters.cq_entries = entries * 32;
    error = -io_uring_queue_init_params(entries, &impl->ring, &parameters);
    if (error != 0) return nullptr;
    error = ask_what_the_kernel_knows(impl->ring);
    if (error != 0) {
        io_uring_queue_exit(&impl->ring);
        return nullptr;
    }
    return std::unique_ptr<Ring>(new Ring(std::move(impl)));
}

Ring::Ring(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
    (void)write_flags();
    // Asked once with a message to itself: EINVAL means the kernel is older.
    wake();
    if (!has_completions()) {
        impl_->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        REEVE_CHECK(impl_->event_fd >= 0);
        arm_wake();
        submit();
    }
}

Ring::~Ring() {
    io_uring_queue_exit(&impl_->ring);
    if (impl_->event_fd >= 0) ::close(impl_->event_fd);
}

void Ring::arm_wake() { push({.opcode = Opcode::poll, .fd = impl_->event_fd, .flags = POLLIN, .user_data = k_wake}); }

bool Ring::push(const Request& request) {
    io_uring_sqe* sqe = io_uring_get_sqe(&impl_->ring);
    while (!sqe) {
        submit();
        sqe = io_uring_get_sqe(&impl_->ring);
    }
    auto* address = const_cast<void*>(request.address);
    const auto flags = static_cast<int>(request.flags);
    switch (request.opcode) {
        case Opcode::read: io_uring_prep_read(sqe, request.fd, address, request.length, request.offset); break;
        case Opcode::write:
            io_uring_prep_write(sqe, request.fd, address, request.length, request.offset);
            sqe->rw_flags = write_flags();
            break;
        case Opcode::recv:
            io_uring_prep_recv(sqe, request.fd, address, request.length, flags);
            if (request.poll_first) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
            break;
        case Opcode::send: io_uring_prep_send(sqe, request.fd, address, request.length, flags); break;
        case Opcode::accept: io_uring_prep_accept(sqe, request.fd, nullptr, nullptr, flags); break;
        case Opcode::connect:
            io_uring_prep_connect(sqe, request.fd, static_cast<const sockaddr*>(address), request.length);
            break;
        case Opcode::poll: io_uring_prep_poll_add(sqe, request.fd, request.flags); break;
        case Opcode::cancel: io_uring_prep_cancel64(sqe, request.user_data, 0); break;
        case Opcode::open:
            io_uring_prep_openat(sqe, request.fd, static_cast<char*>(address), flags, request.length);
            // Otherwise it is tried with O_NONBLOCK first, which does not wait for a FIFO's other end, or fails.
            sqe->flags |= IOSQE_ASYNC;
            break;
        case Opcode::sync: io_uring_prep_fsync(sqe, request.fd, request.flags != 0 ? IORING_FSYNC_DATASYNC : 0); break;
        case Opcode::stat:
            io_uring_prep_statx(sqe, request.fd, static_cast<char*>(address), flags, request.length,
                                static_cast<struct statx*>(request.second));
            break;
        case Opcode::truncate:
            io_uring_prep_rw(k_ftruncate, sqe, request.fd, nullptr, 0, request.offset);
            break;
        case Opcode::unlink: io_uring_prep_unlinkat(sqe, request.fd, static_cast<char*>(address), flags); break;
        case Opcode::rename:
            io_uring_prep_renameat(sqe, request.fd, static_cast<char*>(address), request.fd,
                                   static_cast<char*>(request.second), request.flags);
            break;
        case Opcode::make_directory:
            io_uring_prep_mkdirat(sqe, request.fd, static_cast<char*>(address), request.length);
            break;
    }
    impl_->note_unsubmitted();
    if (request.opcode != Opcode::cancel && request.user_data != k_wake) impl_->note_in_flight(1);
    io_uring_sqe_set_data64(sqe, request.opcode == Opcode::cancel ? k_no_one : request.user_data);
    return false;
}

bool Ring::knows(Opcode opcode) {
    return opcode != Opcode::truncate || s_knows_ftruncate.load(std::memory_order_relaxed);
}

bool Ring::has_in_flight() const { return impl_->in_flight.load(std::memory_order_relaxed) > 0; }

bool Ring::has_unsubmitted() const { return impl_->unsubmitted.load(std::memory_order_relaxed) != 0; }

void Ring::submit() {
    for (;;) {
        const int result = io_uring_submit(&impl_->ring);
        impl_->note_unsubmitted();
        if (result >= 0 || result == -EBUSY) return;  // EBUSY: completions overflowed; the caller drains and comes again
        if (result != -EINTR && result != -EAGAIN) fatal("io_uring_enter: errno %d", -result);
    }
}

unsigned Ring::drain(Completion* into, unsigned room) {
    unsigned count = 0;
    unsigned seen = 0;
    unsigned head;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(&impl_->ring, head, cqe) {
        if (count == room) break;
        ++seen;
        if (cqe->user_data == k_no_one) continue;
        if (cqe->user_data == k_wake) {
            if (impl_->event_fd >= 0) {
                std::uint64_t sink;
                [[maybe_unused]] const auto ignored = ::read(impl_->event_fd, &sink, sizeof sink);
                arm_wake();
            }
            continue;
        }
        into[count++] = {cqe->user_data, cqe->res};
    }
    io_uring_cq_advance(&impl_->ring, seen);
    if (count != 0) impl_->note_in_flight(-static_cast<int>(count));
    return count;
}

bool Ring::has_completions() const {
    // liburing reads the head without an atomic: right for the owner of the ring only.
    const auto& cq = impl_->ring.cq;
    return __atomic_load_n(cq.khead, __ATOMIC_RELAXED) != __atomic_load_n(cq.ktail, __ATOMIC_ACQUIRE) ||
           io_uring_cq_has_overflow(&impl_->ring);
}

void Ring::wait(std::int64_t deadline_ns) {
    if (has_completions()) {
        submit();
        return;
    }
    if (RUNNING_ON_VALGRIND) {
        wait_in_poll(deadline_ns);
        return;
    }
    io_uring_cqe* cqe = nullptr;
    if (deadline_ns == Deadline::k_never_ns) {
        io_uring_submit_and_wait(&impl_->ring, 1);
        impl_->note_unsubmitted();
        return;
    }
    const std::int64_t left = deadline_ns - monotonic_ns();
    if (left <= 0) {
        submit();
        return;
    }
    __kernel_timespec limit{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    io_uring_submit_and_wait_timeout(&impl_->ring, &cqe, 1, &limit, nullptr);
    impl_->note_unsubmitted();
}

// Valgrind (3.19) does not expect io_uring_enter to sleep: it stops all other threads meanwhile.
void Ring::wait_in_poll(std::int64_t deadline_ns) {
    submit();
    const std::int64_t left = deadline_ns - monotonic_ns();
    if (left <= 0) return;
    timespec limit{left / 1'000'000'000, left % 1'000'000'000};
    pollfd polled{impl_->ring.ring_fd, POLLIN, 0};
    ::ppoll(&polled, 1, deadline_ns == Deadline::k_never_ns ? nullptr : &limit, nullptr);
}

void Ring::cancel_all(int fd) {
    io_uring_sync_cancel_reg request{};
    request.fd = fd;
    request.flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    request.timeout = {.tv_sec = -1, .tv_nsec = -1};
    io_uring_register_sync_cancel(&impl_->ring, &request);
}

void Ring::wake() {
    const int saved = errno;
    if (impl_->event_fd >= 0) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto ignored = ::write(impl_->event_fd, &one, sizeof one);
    } else {
        io_uring_sqe message{};
        message.opcode = IORING_OP_MSG_RING;
        message.fd = impl_->ring.ring_fd;
        message.addr = IORING_MSG_DATA;
        message.off = k_wake;
        syscall(__NR_io_uring_register, -1, k_register_send_msg_ring, &message, 1);
    }
    errno = saved;
}

}  // namespace reeve::os
