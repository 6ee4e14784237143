#include "runtime/sched/readiness.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "runtime/blocking.hpp"
#include "runtime/os/system_call.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve::sched {
namespace {

// A call, with all that concerns waiting.
class Call {
public:
    Call(os::FileThreads& files, const os::Request& request, Deadline deadline, const char* reason, const Closing* closing)
        : files_(files), request_(request), deadline_(deadline), reason_(reason), closing_(closing) {}

    long perform() {
        switch (request_.opcode) {
            case os::Opcode::poll: return poll();
            case os::Opcode::connect: return connect();
            case os::Opcode::read:
            case os::Opcode::write: return move_all();
            default: return events_of(request_.opcode) != 0 ? move(request_) : in_thread(request_);
        }
    }

private:
    // The events that came, or the errno, negative; -EPERM: the kernel cannot poll it.
    long wait_for(std::uint32_t events) {
        const Entry entry;
        const os::Request wait{.opcode = os::Opcode::poll, .fd = request_.fd, .flags = events};
        const long result = sched::perform(wait, deadline_, reason_, closing_);
        return result >= 0 && closing_ && closing_->is_set() ? -ECANCELED : result;
    }

    long in_thread(const os::Request& request) {
        const os::FileThreads::Place place(files_);
        if (!place) return blocking([&] { return os::system_call(request); });
        const Entry entry;
        return sched::perform(request, deadline_, reason_, closing_);
    }

    long move(const os::Request& request) {
        bool is_ready = false;
        bool may_be_tried = true;
        for (bool tries = !request.poll_first;; tries = may_be_tried) {
            if (tries) {
                const long result = os::try_system_call(request);
                may_be_tried = result != os::k_not_tried;
                if (result == -EINTR) continue;
                if (result != -EAGAIN && may_be_tried) return result;
            }
            if (!may_be_tried && is_ready) return in_thread(request);
            if (!is_ready && waits_for_disk(request)) return in_thread(request);
            const long result = wait_for(events_of(request.opcode));
            if (result == -EPERM) return in_thread(request);
            if (result < 0) return result;
            is_ready = true;
        }
    }

    // What was tried without waiting may have moved a part of what can be had, of a file: those who read one expect all.
    long move_all() {
        long moved = move(request_);
        os::Request rest = request_;
        while (moved > 0 && rest.length > static_cast<std::uint32_t>(moved) && is_regular_file()) {
            rest.address = static_cast<const std::byte*>(rest.address) + moved;
            rest.length -= static_cast<std::uint32_t>(moved);
            if (rest.offset != ~std::uint64_t{0}) rest.offset += static_cast<std::uint64_t>(moved);
            moved = move(rest);
        }
        const long before = static_cast<long>(request_.length) - static_cast<long>(rest.length);
        return before == 0 ? moved : before + std::max(moved, 0L);
    }

    // Found out cheaply; the engine tells it of the other kinds that cannot be polled.
    [[nodiscard]] bool waits_for_disk(const os::Request& request) const {
        return (request.opcode == os::Opcode::read || request.opcode == os::Opcode::write) && is_regular_file();
    }
    [[nodiscard]] bool is_regular_file() const {
        struct stat info {};
        return ::fstat(request_.fd, &info) == 0 && S_ISREG(info.st_mode);
    }

    long poll() {
        const long result = wait_for(request_.flags);
        if (result != -EPERM) return result;
        pollfd one{request_.fd, static_cast<short>(request_.flags), 0};  // a file is always ready
        return ::poll(&one, 1, 0) >= 0 ? one.revents : -errno;
    }

    long connect() {
        long result = os::try_system_call(request_);
        if (result == os::k_not_tried) return in_thread(request_);
        // A Unix socket's listener has no room for more: nothing can be polled for that.
        while (result == -EAGAIN) {
            if (const long slept = pause_before_connect(deadline_, reason_, closing_); slept < 0) return slept;
            result = os::try_system_call(request_);
        }
        if (result != -EINPROGRESS && result != -EINTR) return result;
        if (result = wait_for(POLLOUT); result < 0) return result;
        int error = 0;
        socklen_t bytes = sizeof error;
        ::getsockopt(request_.fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
        return -error;
    }

    os::FileThreads& files_;
    const os::Request& request_;
    Deadline deadline_;
    const char* reason_;
    const Closing* closing_;
};

}  // namespace

std::uint32_t events_of(os::Opcode opcode) {
    switch (opcode) {
        case os::Opcode::read:
        case os::Opcode::recv:
        case os::Opcode::accept: return POLLIN;
        case os::Opcode::write:
        case os::Opcode::send:
        case os::Opcode::connect: return POLLOUT;
        default: return 0;
    }
}

long pause_before_connect(Deadline deadline, const char* reason, const Closing* closing) {
    const Entry entry;
    Wait wait(reason);
    const Outcome outcome = wait.park(deadline.or_sooner(Deadline::at_ns(now_ns() + k_backlog_pause_ns)));
    if (outcome == Outcome::cancelled || (closing && closing->is_set())) return -ECANCELED;
    return deadline.has_passed() ? -ETIME : 0;
}

long perform_by_readiness(os::FileThreads& files, const os::Request& request, Deadline deadline, const char* reason,
                          const Closing* closing) {
    if (current_worker()->current_fiber()->state.is_marked()) return -ECANCELED;
    // The fiber's own deadline ends every wait anyway; here, so that it is seen between two.
    return Call(files, request, deadline.or_sooner(this_fiber::deadline()), reason, closing).perform();
}

}  // namespace reeve::sched
