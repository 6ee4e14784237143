// Server::serve_until_signal(): SIGTERM and SIGINT end the serving in order.
//
// Idea. The signal handler may do next to nothing, so it writes to an eventfd that a fiber reads. After the first
// signal the old dispositions are back: a second one ends the process at once. One server of a process at a time.
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <span>

#include "http/server.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/fd.hpp"
#include "runtime/go.hpp"

namespace reeve::http {

static std::atomic<int> signal_fd{-1};      // read by the handler, on whatever thread the kernel chose
static std::atomic<int> handlers_inside{0};  // they may still use the descriptor: seq_cst, with signal_fd

static void on_signal(int) {
    const int saved = errno;
    const std::uint64_t one = 1;
    handlers_inside.fetch_add(1);
    if (const int fd = signal_fd.load(); fd >= 0) (void)!::write(fd, &one, sizeof one);
    handlers_inside.fetch_sub(1);
    errno = saved;
}

Outcome Server::serve_until_signal(const std::function<void()>& ready) {
    const int number = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (number < 0) return Error::from_errno(errno, "eventfd");
    Fd event(number);
    int expected = -1;
    if (!signal_fd.compare_exchange_strong(expected, number)) fatal("two servers wait for the same signals");

    struct sigaction action {};
    struct sigaction old_term {};
    struct sigaction old_int {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);  // nothing else, above all no preemption, holds the handler up
    ::sigaction(SIGTERM, &action, &old_term);
    ::sigaction(SIGINT, &action, &old_int);
    const auto restore = [&] {
        ::sigaction(SIGTERM, &old_term, nullptr);
        ::sigaction(SIGINT, &old_int, nullptr);
    };

    Join<void> waiter = spawn(FiberOptions{.name = "http signal"}, [&] {
        std::uint64_t count = 0;
        if (!event.read(std::as_writable_bytes(std::span(&count, 1)))) return;
        restore();
        stop();
    });
    if (ready) ready();
    const Outcome served = serve();
    waiter.cancel();
    waiter.join();
    restore();
    signal_fd.store(-1);
    while (handlers_inside.load() != 0) this_fiber::yield();
    return served;
}

}  // namespace reeve::http
