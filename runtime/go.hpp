// go, spawn, Join, this_fiber: starting fibers and waiting for them.
//
// `go` forgets, `spawn` remembers: Join's destructor waits, like std::jthread's, so that captured references stay valid.
// The closure is moved onto the new fiber's stack, twice perhaps: moving it must not wait. go and spawn themselves do not park, and
// the new fiber runs later. When
// join() returns, the closure and the fiber's FiberLocals are destroyed. A fiber gets labels, and the name unless it is given
// one, from the fiber that starts it; deadlines and tokens only in a Scope, gather or race, which it cannot outlive. They
// throw std::bad_alloc when memory or address space for the stack is exhausted. Both work in fibers and in plain threads
// while run() is active. Not signal-safe.
//
// A cancelled fiber's waits all end with Errc::cancelled; it is never killed (cancel.hpp). join() in a fiber that is
// cancelled, or whose deadline has passed, cancels the fiber it waits for, and still waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runtime/labels.hpp"
#include "runtime/sched/join_core.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

struct FiberOptions {
    std::string name;             // at most 31 bytes are kept
    std::size_t stack_bytes = 0;  // 0: Config::stack_bytes
    Labels labels = {};           // added to those it inherits
};

namespace sched {

struct Fiber;

// A fiber that was made and not started, and the place for its closure. Inside an Entry.
struct MadeFiber {
    Fiber* fiber;
    void* closure;
};
// `closure_bytes`: 0 if it lies in the fiber's seed; else it gets room on the fiber's stack.
MadeFiber prepare_fiber(const FiberOptions* options, std::size_t closure_bytes, std::size_t alignment,
                        void (*run)(void* seed));
void start_fiber(Fiber& fiber);

// While the calling fiber takes its closure out of its seed: a constructor that waits must not put its wait into the same room.
class [[nodiscard]] EmptyingSeed {
public:
    EmptyingSeed();
    ~EmptyingSeed();
    EmptyingSeed(const EmptyingSeed&) = delete;
    EmptyingSeed& operator=(const EmptyingSeed&) = delete;

private:
    Fiber& fiber_;
};

// A small closure waits in the fiber's record, so that the fiber needs no stack before it begins, and is moved from there onto the
// stack; others, and those that say `k_stays` because something points to them, lie on the stack from the first.
template <class F>
inline constexpr bool k_fits_seed = sizeof(F) <= k_seed_bytes && alignof(F) <= 8 && std::is_nothrow_move_constructible_v<F> &&
                                    !requires { F::k_stays; };

// `options` may be null.
template <class F>
MadeFiber prepare_fiber_for(const FiberOptions* options, F&& closure) {
    static_assert(sizeof(F) <= 64 * 1024, "this closure does not belong on a fiber's stack");
    MadeFiber made;
    if constexpr (k_fits_seed<F>) {
        made = prepare_fiber(options, 0, alignof(F), [](void* seed) {
            F& waiting = *static_cast<F*>(seed);
            // Not an object with a scope: when it throws the process ends, and its destructor might wait first.
            alignas(F) std::byte room[sizeof(F)];
            if constexpr (std::is_trivially_copyable_v<F>) {
                ::new (static_cast<void*>(room)) F(std::move(waiting));
            } else {
                const EmptyingSeed emptying;
                ::new (static_cast<void*>(room)) F(std::move(waiting));
                waiting.~F();
            }
            F& self = *std::launder(reinterpret_cast<F*>(room));
            self();
            self.~F();
        });
    } else {
        made = prepare_fiber(options, sizeof(F), alignof(F), [](void* seed) {
            F& self = **static_cast<F**>(seed);
            self();
            self.~F();
        });
    }
    ::new (made.closure) F(std::move(closure));
    return made;
}

// What a function returned, until somebody takes it; void becomes an empty value.
template <class T>
struct ReturnSlot {
    std::optional<T> value;
    template <class F>
    void run(F& body) {
        value.emplace(body());
    }
    T take() { return std::move(*value); }
};

template <>
struct ReturnSlot<void> {
    struct Nothing {};
    template <class F>
    void run(F& body) {
        body();
    }
    Nothing take() { return {}; }
};

template <class T>
struct JoinState final : JoinCore {
    ReturnSlot<T> slot;
};

}  // namespace sched

template <class T>
class [[nodiscard]] Join {
public:
    explicit Join(sched::JoinState<T>* state) : state_(state) {}
    Join(Join&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Join& operator=(Join&& other) noexcept {
        if (this != &other) {
            wait_and_release();
            state_ = std::exchange(other.state_, nullptr);
        }
        return *this;
    }
    ~Join() { wait_and_release(); }

    // Waits for the fiber and returns what it returned, or rethrows what it threw. Once.
    T join() {
        if (!state_) fatal("join() of a Join that was joined, detached or moved from");
        sched::JoinState<T>* state = std::exchange(state_, nullptr);
        state->wait();
        struct Release {
            sched::JoinState<T>* state;
            ~Release() { state->release(); }
        } release{state};
        if (state->error) std::rethrow_exception(state->error);
        if constexpr (!std::is_void_v<T>) return state->slot.take();
    }
    // The fiber goes on by itself; what it returns or throws is lost.
    void detach() {
        if (state_) std::exchange(state_, nullptr)->release();
    }
    // Asks it to end. Does not wait.
    void cancel() {
        if (state_) state_->cancel();
    }
    [[nodiscard]] bool is_done() const { return !state_ || state_->is_done(); }

private:
    // Not inlined: compilers warn of it inside a std::optional that is empty.
    [[gnu::noinline]] void wait_and_release() {
        if (!state_) return;
        state_->wait();
        std::exchange(state_, nullptr)->release();
    }

    sched::JoinState<T>* state_;
};

namespace sched {

template <class F>
void start_forgotten(const FiberOptions* options, F&& body) {
    std::decay_t<F> closure(std::forward<F>(body));
    Entry entry;
    start_fiber(*prepare_fiber_for(options, std::move(closure)).fiber);
}

template <class F>
auto start_remembered(const FiberOptions* options, F&& body) {
    using T = std::decay_t<std::invoke_result_t<std::decay_t<F>&>>;
    std::decay_t<F> closure(std::forward<F>(body));
    Entry entry;
    auto made = std::make_unique<JoinState<T>>();
    Fiber& fiber = *prepare_fiber_for(options, [state = made.get(), inner = std::move(closure)]() mutable {
        try {
            state->slot.run(inner);
        } catch (...) {
            state->error = std::current_exception();
        }
    }).fiber;
    made->bind(fiber);
    start_fiber(fiber);
    return Join<T>(made.release());
}

}  // namespace sched

template <class F>
void go(const FiberOptions& options, F&& body) {
    sched::start_forgotten(&options, std::forward<F>(body));
}
template <class F>
void go(F&& body) {
    sched::start_forgotten(nullptr, std::forward<F>(body));
}

template <class F>
auto spawn(const FiberOptions& options, F&& body) {
    return sched::start_remembered(&options, std::forward<F>(body));
}
template <class F>
auto spawn(F&& body) {
    return sched::start_remembered(nullptr, std::forward<F>(body));
}

// Of the calling fiber. In a plain thread: id 0, an empty name, no labels; yield gives up the CPU.
namespace this_fiber {
[[nodiscard]] std::uint64_t id();
[[nodiscard]] std::string_view name();  // valid until set_name() or the fiber's end
void set_name(std::string_view name);
[[nodiscard]] const Labels& labels();  // valid until the fiber's end
[[nodiscard]] bool is_cancelled();     // a wait would end at once with Errc::cancelled
void yield();  // lets others run first; does not wait
}  // namespace this_fiber

}  // namespace reeve
