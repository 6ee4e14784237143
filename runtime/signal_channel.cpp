// Slots are never freed, only used again, since a handler may walk the list at any time. Subscribing and leaving take a mutex;
// a handler takes nothing: it counts itself in at a slot while it looks, and who leaves waits until no handler is there, before
// the eventfd is closed. The handler runs with all signals blocked, so that this takes no longer than the handler.
#include "runtime/signal_channel.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/config.hpp"
#include "runtime/fd.hpp"
#include "runtime/mutex.hpp"
#include "runtime/sched/preempt.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve {
namespace {

constexpr int k_last_signal = 64;
constexpr std::uint64_t k_closing_tokens = std::uint64_t{1} << 40;  // more than there are receivers

constexpr std::uint64_t bit_of(int signal) { return std::uint64_t{1} << (signal - 1); }

void check_signal(int signal) {
    const auto refuse = [signal](const char* reason) {
        fatal("SignalChannel: signal %d (%s) cannot be received: %s", signal, strsignal(signal), reason);
    };
    if (signal < 1 || signal > k_last_signal) refuse("there is no such signal");
    const sched::Scheduler* active = sched::Scheduler::active();
    if (signal == sched::preempt_signal(active ? active->config : Config{}))
        refuse("it is the runtime's preemption signal (Config::preempt_signal chooses another)");
    switch (signal) {
        case SIGKILL:
        case SIGSTOP: refuse("nobody can"); break;
        case SIGSEGV:
        case SIGBUS:
        case SIGFPE:
        case SIGILL:
        case SIGTRAP:
        case SIGABRT: refuse("it tells of a broken program, which cannot go on"); break;
        default: break;
    }
}

}  // namespace

struct SignalChannel::Slot {
    std::atomic<std::uint64_t> wanted{0};   // bits of signals
    std::atomic<std::uint64_t> pending{0};  // marks: came, and were not received yet
    std::atomic<int> handlers{0};           // that look at this slot
    std::atomic<int> number{-1};            // of `event`, for handlers
    std::atomic<bool> is_closed{false};
    bool is_used = true;                    // under the table's mutex
    int error = 0;                          // the errno that made it useless
    Fd event;
    Slot* next = nullptr;

    std::optional<int> take() {
        std::uint64_t marks = pending.load(std::memory_order_acquire);
        std::uint64_t lowest;
        do {
            if (marks == 0) return std::nullopt;
            lowest = marks & (~marks + 1);
        } while (!pending.compare_exchange_weak(marks, marks & ~lowest, std::memory_order_acq_rel, std::memory_order_acquire));
        return __builtin_ctzll(lowest) + 1;
    }

    void write_tokens(std::uint64_t count) const {
        [[maybe_unused]] const auto ignored = ::write(number.load(std::memory_order_relaxed), &count, sizeof count);
    }
};

struct SignalChannel::Table {
    static void on_signal(int signal) {
        const int saved = errno;
        for (Slot* slot = first.load(std::memory_order_acquire); slot; slot = slot->next) {
            slot->handlers.fetch_add(1, std::memory_order_seq_cst);  // pairs with leave(): it sees this, or this sees nothing wanted
            if ((slot->wanted.load(std::memory_order_seq_cst) & bit_of(signal)) != 0 &&
                (slot->pending.fetch_or(bit_of(signal), std::memory_order_acq_rel) & bit_of(signal)) == 0)
                slot->write_tokens(1);
            slot->handlers.fetch_sub(1, std::memory_order_release);
        }
        errno = saved;
    }

    static Slot& unused_slot() {
        for (Slot* slot = first.load(std::memory_order_relaxed); slot; slot = slot->next)
            if (!std::exchange(slot->is_used, true)) return *slot;
        auto* made = new Slot;
        made->next = first.load(std::memory_order_relaxed);
        first.store(made, std::memory_order_release);
        return *made;
    }

    static void join(Slot& slot, std::uint64_t signals) {
        slot.wanted.store(signals, std::memory_order_seq_cst);
        for (int signal = 1; signal <= k_last_signal; ++signal) {
            if ((signals & bit_of(signal)) == 0 || subscribers[signal]++ != 0) continue;
            struct sigaction action {};
            action.sa_handler = on_signal;
            action.sa_flags = SA_RESTART | SA_ONSTACK;
            sigfillset(&action.sa_mask);
            sigaction(signal, &action, &previous[signal]);
        }
    }

    static void leave(Slot& slot) {
        const std::uint64_t signals = slot.wanted.load(std::memory_order_relaxed);
        for (int signal = 1; signal <= k_last_signal; ++signal)
            if ((signals & bit_of(signal)) != 0 && --subscribers[signal] == 0) sigaction(signal, &previous[signal], nullptr);
        slot.wanted.store(0, std::memory_order_seq_cst);
        while (slot.handlers.load(std::memory_order_seq_cst) != 0) sched_yield();
    }

    static std::atomic<Slot*> first;
    static Mutex mutex;  // guards what follows
    static int subscribers[k_last_signal + 1];
    static struct sigaction previous[k_last_signal + 1];
};

std::atomic<SignalChannel::Slot*> SignalChannel::Table::first{nullptr};
Mutex SignalChannel::Table::mutex;
int SignalChannel::Table::subscribers[];
struct sigaction SignalChannel::Table::previous[];

SignalChannel::SignalChannel(std::initializer_list<int> signals) : slot_(nullptr) {
    std::uint64_t wanted = 0;
    for (const int signal : signals) {
        check_signal(signal);
        wanted |= bit_of(signal);
    }
    const std::lock_guard guard(Table::mutex);
    slot_ = &Table::unused_slot();
    slot_->event = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE));
    slot_->error = slot_->event.get() < 0 ? errno : 0;
    slot_->number.store(slot_->event.get(), std::memory_order_relaxed);
    slot_->pending.store(0, std::memory_order_relaxed);
    slot_->is_closed.store(false, std::memory_order_relaxed);
    if (slot_->error == 0) Table::join(*slot_, wanted);
}

SignalChannel::~SignalChannel() {
    close();
    const std::lock_guard guard(Table::mutex);
    slot_->event = Fd();
    slot_->is_used = false;
}

void SignalChannel::close() {
    const std::lock_guard guard(Table::mutex);
    if (slot_->is_closed.exchange(true, std::memory_order_acq_rel)) return;
    Table::leave(*slot_);
    slot_->write_tokens(k_closing_tokens);
}

Result<int> SignalChannel::recv(Deadline deadline) {
    if (slot_->error != 0) return Error::from_errno(slot_->error, "signal recv");
    for (;;) {
        if (slot_->is_closed.load(std::memory_order_acquire)) return Error(Errc::closed, "signal recv");
        std::uint64_t token = 0;
        const auto count = slot_->event.read(std::as_writable_bytes(std::span(&token, 1)), deadline);
        if (slot_->is_closed.load(std::memory_order_acquire)) return Error(Errc::closed, "signal recv");
        if (!count) return Error(count.error().code(), "signal recv", count.error().number());
        if (const auto signal = slot_->take()) return *signal;
    }
}

std::optional<int> SignalChannel::try_recv() {
    std::uint64_t token = 0;
    if (slot_->is_closed.load(std::memory_order_acquire) || ::read(slot_->event.get(), &token, sizeof token) < 0)
        return std::nullopt;
    return slot_->take();
}

}  // namespace reeve
