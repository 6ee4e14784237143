#include "runtime/sched/wait_circles.hpp"

#include <algorithm>
#include <cstddef>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/barrier.hpp"
#include "runtime/sched/dump.hpp"
#include "runtime/sched/scheduler.hpp"

namespace reeve::sched {
namespace {

constexpr std::int64_t k_least_left_ns = 1'000'000'000;  // of a wait with a deadline
constexpr std::int64_t k_least_pause_ns = 100'000'000;
constexpr std::int64_t k_pauses_per_look = 100;

// A fiber that waits for others, as it was when it was first seen.
struct Waiting {
    const Fiber* fiber;
    std::uint64_t id;
    FiberState::Epoch wait;
    Blocker blocker = {};
    const void* group = nullptr;
    std::int64_t since_ns = 0;
    std::int64_t until_ns = 0;
    std::uintptr_t bottom = 0;  // of its stack
    std::uintptr_t top = 0;
    std::vector<std::size_t> waits_for = {};  // others of these
};
using Circle = std::vector<const Waiting*>;  // each waits for the next, the last for the first

// It may go on meanwhile: each word is whole, and the second look tells.
__attribute__((noinline, no_sanitize("thread"))) Waiting look_at(const Fiber& fiber, FiberState::Epoch wait) {
    // Its record may be another's by now, which has no stack yet.
    const StackHead* head = fiber.head.load(std::memory_order_acquire);
    if (!head) return {.fiber = &fiber, .id = 0, .wait = wait};
    return {.fiber = &fiber,
            .id = fiber.id,
            .wait = wait,
            .blocker = fiber.blocker.load(std::memory_order_relaxed),
            .group = head->group.load(std::memory_order_relaxed),
            .since_ns = fiber.since_ns,
            .until_ns = head->blocked_until_ns.load(std::memory_order_relaxed),
            .bottom = reinterpret_cast<std::uintptr_t>(head->stack.bottom),
            .top = reinterpret_cast<std::uintptr_t>(head->stack.top)};
}

__attribute__((noinline, no_sanitize("thread"))) bool still_waits(const Waiting& waiting) {
    return waiting.fiber->state.parked_in() == waiting.wait && waiting.fiber->id == waiting.id;
}

// One word of memory that may be gone: 0 then.
std::uintptr_t peek(std::uintptr_t address) {
    std::uintptr_t value = 0;
    const iovec into{&value, sizeof value};
    const iovec from{reinterpret_cast<void*>(address), sizeof value};
    return syscall(SYS_process_vm_readv, getpid(), &into, 1, &from, 1, 0) == sizeof value ? value : 0;
}

// Those that wait for fibers, with an edge to each of these that waits itself.
std::vector<Waiting> find_waiting(Scheduler& scheduler) {
    std::vector<Waiting> all;
    scheduler.for_each_fiber([&](Fiber& fiber) {
        if (fiber.blocker.load(std::memory_order_relaxed).kind() == Blocker::nobody) return;
        if (const FiberState::Epoch wait = fiber.state.parked_in(); wait != 0) all.push_back(look_at(fiber, wait));
    });
    std::sort(all.begin(), all.end(), [](const Waiting& a, const Waiting& b) { return a.bottom < b.bottom; });
    std::vector<std::pair<const void*, std::size_t>> fibers;
    std::vector<std::pair<const void*, std::size_t>> children;
    for (std::size_t i = 0; i < all.size(); ++i) {
        fibers.emplace_back(all[i].fiber, i);
        if (all[i].group) children.emplace_back(all[i].group, i);
    }
    std::sort(fibers.begin(), fibers.end());
    std::sort(children.begin(), children.end());
    const std::int64_t now = monotonic_ns();
    for (Waiting& waiting : all) {
        if (waiting.until_ns - now < k_least_left_ns) continue;
        const std::uintptr_t address = waiting.blocker.address();
        switch (waiting.blocker.kind()) {
            case Blocker::lock: {
                const std::uintptr_t owner = peek(address);
                const auto after = std::upper_bound(all.begin(), all.end(), owner, [](std::uintptr_t a, auto& b) { return a < b.bottom; });
                if (after != all.begin() && owner < std::prev(after)->top)
                    waiting.waits_for.push_back(static_cast<std::size_t>(std::prev(after) - all.begin()));
                break;
            }
            case Blocker::fiber: {
                const auto* fiber = reinterpret_cast<const void*>(peek(address));
                const auto found = std::lower_bound(fibers.begin(), fibers.end(), std::pair(fiber, std::size_t{0}));
                if (found != fibers.end() && found->first == fiber) waiting.waits_for.push_back(found->second);
                break;
            }
            case Blocker::group: {
                const auto* group = reinterpret_cast<const void*>(address);
                auto child = std::lower_bound(children.begin(), children.end(), std::pair(group, std::size_t{0}));
                for (; child != children.end() && child->first == group; ++child) waiting.waits_for.push_back(child->second);
                break;
            }
            case Blocker::nobody: break;
        }
    }
    return all;
}

// Depth first; at least one of each knot of circles.
std::vector<Circle> find_circles(const std::vector<Waiting>& all) {
    enum class Visit : std::uint8_t { none, on_path, done };
    struct Step {
        std::size_t at;
        std::size_t next;  // of its edges
    };
    std::vector<Circle> circles;
    std::vector<Visit> visits(all.size(), Visit::none);
    std::vector<Step> path;
    for (std::size_t start = 0; start < all.size(); ++start) {
        if (visits[start] == Visit::none) path.push_back({start, 0});
        while (!path.empty()) {
            auto& [at, next] = path.back();
            visits[at] = Visit::on_path;
            if (next == all[at].waits_for.size()) {
                visits[at] = Visit::done;
                path.pop_back();
                continue;
            }
            const std::size_t to = all[at].waits_for[next++];
            if (visits[to] == Visit::none) {
                path.push_back({to, 0});
            } else if (visits[to] == Visit::on_path) {
                auto step = std::find_if(path.begin(), path.end(), [to](const Step& one) { return one.at == to; });
                Circle& circle = circles.emplace_back();
                for (; step != path.end(); ++step) circle.push_back(&all[step->at]);
            }
        }
    }
    return circles;
}

__attribute__((noinline, no_sanitize("thread"))) std::string name_of(const Waiting& waiting) {
    std::string text = "fiber " + std::to_string(waiting.id) + " '";
    const volatile char* name = waiting.fiber->name();
    for (std::size_t i = 0; i + 1 < Fiber::k_name_bytes && name[i] != '\0'; ++i) text += name[i];
    return text + "'";
}

void append(std::string& text, const Circle& circle) {
    const std::int64_t now = monotonic_ns();
    const bool ends = std::any_of(circle.begin(), circle.end(), [](auto* one) { return one->until_ns != Deadline::k_never_ns; });
    text += "reeve: " + std::to_string(circle.size()) + (circle.size() == 1 ? " fiber waits for itself" : " fibers wait for each other");
    text += ends ? ", until a deadline comes:\n" : ", for ever unless cancelled:\n";
    for (std::size_t i = 0; i < circle.size(); ++i) {
        const Waiting& waiting = *circle[i];
        const std::string next = name_of(*circle[(i + 1) % circle.size()]);
        text += name_of(waiting) + " waits " + std::to_string((now - waiting.since_ns) / 1'000'000) + " ms";
        if (waiting.until_ns != Deadline::k_never_ns)
            text += " (and " + std::to_string((waiting.until_ns - now) / 1'000'000) + " ms more)";
        switch (waiting.blocker.kind()) {
            case Blocker::lock: {
                char address[24];
                snprintf(address, sizeof address, "0x%zx", static_cast<std::size_t>(waiting.blocker.address()));
                text.append(" for the mutex ").append(address).append(", which ").append(next).append(" holds");
                break;
            }
            case Blocker::group: text.append(" for the fibers of its scope, with ").append(next).append(" among them"); break;
            default: text.append(" for the end of ").append(next); break;
        }
        text += "\n";
        append_backtrace(text, *waiting.fiber);
    }
}

}  // namespace

std::uint64_t WaitCircles::waits() const {
    std::uint64_t sum = 0;
    for (auto& processor : scheduler_.processors) sum += processor->counters.parks_for_fibers.value();
    return sum;
}

std::int64_t WaitCircles::next_look_ns() const {
    if (scheduler_.config.on_deadlock == OnDeadlock::off || waits() == seen_waits_.load(std::memory_order_relaxed))
        return Deadline::k_never_ns;
    return not_before_ns_.load(std::memory_order_relaxed);
}

std::string WaitCircles::text_of(Which which) {
    const std::vector<Waiting> all = find_waiting(scheduler_);
    std::string text;
    for (const Circle& circle : find_circles(all)) {
        if (!std::all_of(circle.begin(), circle.end(), [](auto* one) { return still_waits(*one); })) continue;
        std::vector<std::uint64_t> ids;
        for (const Waiting* one : circle) ids.push_back(one->id);
        std::sort(ids.begin(), ids.end());
        const std::lock_guard guard(lock_);
        if (told_.insert(std::move(ids)).second || which == Which::all) append(text, circle);
    }
    return text;
}

void WaitCircles::check() {
    const std::int64_t began = monotonic_ns();
    const std::uint64_t count = waits();
    heavy_barrier();  // whose wait was counted is seen parked
    seen_waits_.store(count, std::memory_order_relaxed);
    if (const std::string text = text_of(Which::untold); !text.empty()) write_out(2, text);
    const std::int64_t ended = monotonic_ns();
    not_before_ns_.store(ended + std::max(k_least_pause_ns, k_pauses_per_look * (ended - began)), std::memory_order_relaxed);
}

}  // namespace reeve::sched
