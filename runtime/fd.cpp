#include "runtime/fd.hpp"

#include <cerrno>
#include <new>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/os/io_engine.hpp"
#include "runtime/os/system_call.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/poller.hpp"
#include "runtime/sched/processor.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/thread_io.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve {
namespace {

constexpr std::uint64_t k_closing = std::uint64_t{1} << 63;

Error error_of(long result, const char* operation) {
    if (result == -ETIME) return Error(Errc::timed_out, operation);
    return Error::from_errno(static_cast<int>(-result), operation);
}

std::uint32_t length_of(std::size_t bytes) {
    constexpr std::size_t k_most = 1 << 30;  // the kernel's own limit for one call is a little above
    return static_cast<std::uint32_t>(bytes < k_most ? bytes : k_most);
}

}  // namespace

// One operation in flight: keeps the number from being given back to the kernel.
class Fd::Use {
public:
    explicit Use(Fd& fd) : fd_(fd) {
        std::uint64_t state = fd.state_.load(std::memory_order_relaxed);
        do {
            if ((state & k_closing) != 0 || fd.number_ < 0) return;
        } while (!fd.state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire, std::memory_order_relaxed));
        is_open_ = true;
    }
    ~Use() {
        if (is_open_ && fd_.state_.fetch_sub(1, std::memory_order_acq_rel) == (k_closing | 1)) ::close(fd_.number_);
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    explicit operator bool() const { return is_open_; }

private:
    Fd& fd_;
    bool is_open_ = false;
};

Fd::~Fd() { close(); }

Fd::Fd(Fd&& other) noexcept
    : state_(other.state_.load(std::memory_order_relaxed)),
      number_(other.number_),
      was_drained_(other.was_drained_.load(std::memory_order_relaxed)) {
    REEVE_CHECK((state_.load(std::memory_order_relaxed) & ~k_closing) == 0);
    other.number_ = -1;
}

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this == &other) return *this;
    close();
    const std::uint64_t state = other.state_.load(std::memory_order_relaxed);
    REEVE_CHECK((state & ~k_closing) == 0 && (state_.load(std::memory_order_relaxed) & ~k_closing) == 0);
    state_.store(state, std::memory_order_relaxed);
    number_ = other.number_;
    was_drained_.store(other.was_drained_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    other.number_ = -1;
    return *this;
}

bool Fd::is_open() const { return number_ >= 0 && (state_.load(std::memory_order_acquire) & k_closing) == 0; }

void Fd::close() {
    if (number_ < 0) return;
    const std::uint64_t before = state_.fetch_or(k_closing, std::memory_order_acq_rel);
    if ((before & k_closing) != 0) return;
    if (before == 0) {
        ::close(number_);
        return;
    }
    // Operations in flight: on a socket this ends them; other descriptors' requests are cancelled on every thread and in every
    // engine. The last one to leave closes.
    if (::shutdown(number_, SHUT_RDWR) == 0 || errno == ENOTCONN || errno == EINVAL) return;
    sched::end_on_threads(state_);
    sched::Entry entry;
    if (sched::Scheduler* scheduler = sched::Scheduler::active()) {
        const sched::Scheduler::Visit visit(*scheduler);
        for (auto& processor : scheduler->processors) processor->io.cancel_all(number_);
    }
}

Result<std::size_t> Fd::transfer(const os::Request& request, Deadline deadline, const char* operation) {
    Use use(*this);
    if (!use) return Error(Errc::closed, operation);
    // shutdown() ends what waits on a socket, even what the kernel gets only later.
    const bool needs_cancel = request.opcode != os::Opcode::recv && request.opcode != os::Opcode::send &&
                              request.opcode != os::Opcode::accept && request.opcode != os::Opcode::connect;
    const sched::Closing closing{state_, k_closing, needs_cancel};
    const long result = sched::perform_anywhere(request, deadline, operation, &closing);
    if (!is_open()) {
        // Accepted at the last moment: nobody will ever get it.
        if (request.opcode == os::Opcode::accept && result >= 0) ::close(static_cast<int>(result));
        return Error(Errc::closed, operation);
    }
    if (result < 0) return error_of(result, operation);
    return static_cast<std::size_t>(result);
}

Result<std::size_t> Fd::read(std::span<std::byte> into, Deadline deadline) {
    auto result = transfer({.opcode = os::Opcode::read, .fd = number_, .address = into.data(), .length = length_of(into.size()),
                            .offset = ~std::uint64_t{0}}, deadline, "read");
    if (result && *result == 0 && !into.empty()) return Error(Errc::eof, "read");
    return result;
}

Result<std::size_t> Fd::write(std::span<const std::byte> from, Deadline deadline) {
    return transfer({.opcode = os::Opcode::write, .fd = number_, .address = from.data(), .length = length_of(from.size()),
                     .offset = ~std::uint64_t{0}}, deadline, "write");
}

Result<std::size_t> Fd::recv(std::span<std::byte> into, Deadline deadline) {
    auto result = transfer({.opcode = os::Opcode::recv, .fd = number_, .address = into.data(), .length = length_of(into.size()),
                            .poll_first = was_drained_.load(std::memory_order_relaxed)}, deadline, "recv");
    was_drained_.store(result && *result < into.size(), std::memory_order_relaxed);
    if (result && *result == 0 && !into.empty()) return Error(Errc::eof, "recv");
    return result;
}

Result<std::size_t> Fd::send(std::span<const std::byte> from, Deadline deadline) {
    const os::Request request{.opcode = os::Opcode::send, .fd = number_, .address = from.data(),
                              .length = length_of(from.size()), .flags = MSG_NOSIGNAL, .poll_first = true};
    {
        // Nearly always there is room in the socket: then nothing has to wait.
        Use use(*this);
        if (!use) return Error(Errc::closed, "send");
        const long result = os::system_call(request);
        if (result >= 0) return static_cast<std::size_t>(result);
        if (result != -EAGAIN && result != -EINTR) return error_of(result, "send");
    }
    return transfer(request, deadline, "send");
}

Result<Fd> Fd::accept(Deadline deadline) {
    auto result = transfer({.opcode = os::Opcode::accept, .fd = number_, .flags = SOCK_CLOEXEC | SOCK_NONBLOCK}, deadline,
                           "accept");
    if (!result) return result.error();
    return Fd(static_cast<int>(*result));
}

Result<void> Fd::connect(const sockaddr* address, unsigned address_bytes, Deadline deadline) {
    auto result = transfer({.opcode = os::Opcode::connect, .fd = number_, .address = address, .length = address_bytes},
                           deadline, "connect");
    if (!result) return result.error();
    return {};
}

Result<void> Fd::shutdown_write() {
    Use use(*this);
    if (!use) return Error(Errc::closed, "shutdown");
    if (::shutdown(number_, SHUT_WR) != 0) return Error::from_errno(errno, "shutdown");
    return {};
}

Result<std::uint32_t> Fd::poll(std::uint32_t events, Deadline deadline) {
    auto result = transfer({.opcode = os::Opcode::poll, .fd = number_, .flags = events}, deadline, "poll");
    if (!result) return result.error();
    return static_cast<std::uint32_t>(*result);
}

// --- HangupWatch ------------------------------------------------------------------------------------------------------

struct HangupWatch::Poll : sched::Operation {
    explicit Poll(Fd& socket_, sched::Fiber* fiber_) : socket(socket_), fiber(fiber_) { on_done = hang_up; }

    // The fiber is about to park for the first time: now the watch is worth its price.
    static void arm(void* raw) {
        auto& self = *static_cast<Poll*>(raw);
        self.use.emplace(self.socket);
        if (!*self.use) return;
        self.is_armed = true;
        sched::watch(self, {.opcode = os::Opcode::poll, .fd = self.socket.get(), .flags = POLLRDHUP | POLLHUP | POLLERR});
    }

    static void hang_up(sched::Operation& operation) {
        auto& self = static_cast<Poll&>(operation);
        if (self.result <= 0) return;
        self.has_hung_up.store(true, std::memory_order_release);
        if (self.fiber->state.cancel(sched::FiberState::mark_hung_up))
            sched::Scheduler::active()->make_runnable(*self.fiber);
    }

    Fd& socket;
    sched::Fiber* fiber;
    std::optional<Fd::Use> use;
    bool is_armed = false;
    std::atomic<bool> has_hung_up{false};
};

HangupWatch::HangupWatch(Fd& socket) : poll_(nullptr) {
    static_assert(sizeof(Poll) <= sizeof room_);
    sched::Worker* worker = sched::current_worker();
    if (!worker || !worker->current_fiber()) return;
    sched::Fiber& fiber = *worker->current_fiber();
    if (fiber.holds_hook) fatal("HangupWatch: fiber %llu watches another socket already",
                                static_cast<unsigned long long>(fiber.id));
    poll_ = ::new (static_cast<void*>(room_)) Poll(socket, &fiber);
    fiber.its_head().on_park = Poll::arm;
    fiber.its_head().hook = poll_;
    fiber.holds_hook = true;
}

HangupWatch::~HangupWatch() {
    if (!poll_) return;
    sched::Fiber& fiber = *poll_->fiber;
    fiber.holds_hook = false;
    if (poll_->is_armed) {
        sched::Entry entry;
        sched::unwatch(*poll_);
        fiber.state.forget(sched::FiberState::mark_hung_up);
    }
    poll_->~Poll();
}

bool HangupWatch::hung_up() const { return poll_ && poll_->has_hung_up.load(std::memory_order_acquire); }

}  // namespace reeve
