#include "runtime/sched/thread_io.hpp"

#include <cerrno>
#include <climits>
#include <ctime>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/blocking.hpp"
#include "runtime/os/ring.hpp"
#include "runtime/os/system_call.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/readiness.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/with_deadline.hpp"

namespace reeve::sched {
namespace {

// The calling thread's eventfd, or -errno. Not inline: who may switch keeps no address that belongs to a thread.
[[gnu::noinline]] int bell_of_thread() {
    struct Bell {
        const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        const int error = errno;
        ~Bell() { ::close(fd); }
    };
    static thread_local const Bell s_bell;
    return s_bell.fd >= 0 ? s_bell.fd : -s_bell.error;
}

// A plain thread's wait for a descriptor.
class ThreadWait : public ListNode<ThreadWait> {
public:
    ThreadWait(const std::atomic<std::uint64_t>& word, int bell) : word_(word), bell_(bell) {
        const Entry entry;
        const SpinGuard guard(s_lock);
        s_waits.push_back(*this);
    }
    ~ThreadWait() {
        {
            const Entry entry;
            const SpinGuard guard(s_lock);
            s_waits.remove(*this);
        }
        eventfd_t rings;
        if (was_rung_) (void)eventfd_read(bell_, &rings);
    }
    ThreadWait(const ThreadWait&) = delete;
    ThreadWait& operator=(const ThreadWait&) = delete;

    static void end(const std::atomic<std::uint64_t>& word) {
        const Entry entry;
        const SpinGuard guard(s_lock);
        for (ThreadWait* wait = s_waits.first(); wait; wait = wait->next)
            if (&wait->word_ == &word) wait->was_rung_ = eventfd_write(wait->bell_, 1) == 0;
    }

private:
    static inline constinit SpinLock s_lock;  // guards the list and was_rung_ of what is in it
    static inline constinit List<ThreadWait> s_waits;

    const std::atomic<std::uint64_t>& word_;
    const int bell_;
    bool was_rung_ = false;
};

// poll(2) until the deadline; the events that are there, -ETIME, or -ECANCELED once the descriptor is being closed.
long poll_thread(int fd, std::uint32_t events, Deadline deadline, const Closing* closing) {
    int bell = -1;  // none, for poll(2)
    std::optional<ThreadWait> wait;
    if (closing && closing->needs_cancel) {
        bell = bell_of_thread();
        if (bell < 0) return bell;
        wait.emplace(closing->word, bell);
        if (closing->is_set()) return -ECANCELED;
    }
    for (;;) {
        pollfd both[]{{fd, static_cast<short>(events), 0}, {bell, POLLIN, 0}};
        int timeout_ms = -1;
        if (!deadline.is_never()) {
            const std::int64_t left_ms = (deadline.ns() - now_ns() + 999'999) / 1'000'000;
            timeout_ms = static_cast<int>(left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : left_ms);
        }
        const int count = ::poll(both, 2, timeout_ms);
        if (count > 0) return both[0].revents != 0 ? both[0].revents : -ECANCELED;
        if (count == 0 && deadline.has_passed()) return -ETIME;
        if (count < 0 && errno != EINTR) return -errno;
    }
}

// Of a Unix socket whose listener has no room for more it is made again: nothing can be polled for that.
long connect_thread(const os::Request& request, Deadline deadline, const Closing* closing) {
    for (;;) {
        const long result = os::system_call(request);
        if (result != -EAGAIN) return result;
        if (closing && closing->is_set()) return -ECANCELED;
        if (deadline.has_passed()) return -ETIME;
        const timespec pause{0, k_backlog_pause_ns};
        nanosleep(&pause, nullptr);
    }
}

long perform_on_thread(const os::Request& request, Deadline deadline, const Closing* closing) {
    if (request.opcode == os::Opcode::poll) return poll_thread(request.fd, request.flags, deadline, closing);
    if (request.opcode == os::Opcode::connect) {
        if (const long result = connect_thread(request, deadline, closing); result != -EINPROGRESS) return result;
        if (const long result = poll_thread(request.fd, POLLOUT, deadline, closing); result < 0) return result;
        int error = 0;
        socklen_t bytes = sizeof error;
        getsockopt(request.fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
        return -error;
    }
    const std::uint32_t events = events_of(request.opcode);
    for (;;) {
        if (events != 0)
            if (const long result = poll_thread(request.fd, events, deadline, closing); result < 0) return result;
        if (const long result = os::system_call(request); result != -EAGAIN && result != -EINTR) return result;
    }
}

}  // namespace

void end_on_threads(const std::atomic<std::uint64_t>& word) { ThreadWait::end(word); }

long perform_anywhere(const os::Request& request, Deadline deadline, const char* reason, const Closing* closing) {
    Worker* worker = current_worker();
    if (!worker || !worker->current_fiber()) return perform_on_thread(request, deadline.or_sooner(this_fiber::deadline()), closing);
    if (os::FileThreads* files = worker->scheduler.io.file_threads())
        return perform_by_readiness(*files, request, deadline, reason, closing);
    if (!os::Ring::knows(request.opcode)) return blocking([&] { return os::system_call(request); });
    for (;;) {
        const long result = [&] {
            const Entry entry;
            return perform(request, deadline, reason, closing);
        }();
        // A ring does not wait for room in a Unix socket's backlog either.
        if (result != -EAGAIN || request.opcode != os::Opcode::connect) return result;
        if (const long slept = pause_before_connect(deadline.or_sooner(this_fiber::deadline()), reason, closing); slept < 0)
            return slept;
    }
}

}  // namespace reeve::sched
