// Future, Promise: a value that comes once, and those who wait for it (std::promise, Kotlin's CompletableDeferred).
//
// Idea. A Promise has one owner, who sets it once: to a value, an exception or an error. A Future is a handle whose copies
// share one state, so any number may wait for it, before or after it is set. A Promise that goes away unset sets the error
// `closed`, so nobody waits for what will not come.
//
// get(deadline): may park; a copy of the value, or rethrows the exception, or the error that was set; timed_out, cancelled,
// and then it may be asked again. What is there is had even by a cancelled fiber. take(deadline): the same, but moves the
// value out, for values that cannot be copied: for the only reader, once; get() or take() after it end the process.
// wait(deadline): may park; until it is set, whatever to. is_ready: never parks. set_value, set_exception, set_error: never
// park; a second one ends the process. Their try_ twins return false instead, for those who race. If T's constructor
// throws, the promise is as before. Fibers and plain threads, each handle like any object: not two at once on the same
// one, but for the try_ functions. Not signal-safe. A Promise may be destroyed by whoever saw its value.
//
// I1  Of all who want to set the state one does: empty -> setting -> set, or back to empty if the value cannot be made.
// I2  What was set is written before and never after the state says `set`, under the lock; take() alone empties it.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "runtime/base/result.hpp"
#include "runtime/base/spin_lock.hpp"
#include "runtime/base/time.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve {

namespace sched {

// What a Promise and its Futures share, without the value.
class FutureCore {
public:
    // Setting: if begin_set() is true, write what is to be read, then publish() or abandon_set().
    [[nodiscard]] bool begin_set();
    void publish();
    void abandon_set();

    Result<void> wait(Deadline deadline);
    [[nodiscard]] bool is_ready();

    std::exception_ptr exception;
    std::optional<Error> error;
    std::atomic<bool> is_taken{false};

private:
    enum class State : std::uint8_t { empty, setting, set };

    // Guards the rest. Looking at the state takes it, too: whoever saw `set` comes after publish() has let go of it.
    SpinLock lock_;
    State state_ = State::empty;
    WaitQueue waiters_;
};

template <class T>
struct FutureState final : FutureCore {
    std::optional<T> value;
};

template <>
struct FutureState<void> final : FutureCore {};

}  // namespace sched

template <class T>
class Promise;

template <class T>
class Future {
public:
    Result<T> get(Deadline deadline = {}) const {
        if (auto result = wait_for_value(deadline); !result) return result.error();
        if (state_->is_taken.load(std::memory_order_relaxed)) fatal("get() of a Future whose value was taken");
        if constexpr (std::is_void_v<T>)
            return {};
        else
            return Result<T>(*state_->value);
    }
    Result<T> take(Deadline deadline = {}) const {
        if (auto result = wait_for_value(deadline); !result) return result.error();
        if (state_->is_taken.exchange(true, std::memory_order_relaxed)) fatal("take() of a Future whose value was taken");
        if constexpr (std::is_void_v<T>)
            return {};
        else
            return Result<T>(std::move(*state_->value));
    }
    Result<void> wait(Deadline deadline = {}) const { return state_->wait(deadline); }
    [[nodiscard]] bool is_ready() const { return state_->is_ready(); }

private:
    friend class Promise<T>;
    explicit Future(std::shared_ptr<sched::FutureState<T>> state) : state_(std::move(state)) {}

    Result<void> wait_for_value(Deadline deadline) const {
        if (auto result = state_->wait(deadline); !result) return result;
        if (state_->exception) std::rethrow_exception(state_->exception);
        if (state_->error) return *state_->error;
        return {};
    }

    std::shared_ptr<sched::FutureState<T>> state_;
};

template <class T>
class Promise {
public:
    Promise() : state_(std::make_shared<sched::FutureState<T>>()) {}
    Promise(Promise&& other) noexcept = default;
    Promise& operator=(Promise&& other) noexcept {
        if (this == &other) return *this;
        break_if_unset();
        state_ = std::move(other.state_);
        return *this;
    }
    ~Promise() { break_if_unset(); }

    // As often as wanted.
    [[nodiscard]] Future<T> get_future() const { return require(), Future<T>(state_); }

    // From what T is made of; of a Promise<void>: nothing.
    template <class... V>
        requires(std::is_void_v<T> ? sizeof...(V) == 0 : std::is_constructible_v<T, V...>)
    void set_value(V&&... from) {
        if (!try_set_value(std::forward<V>(from)...)) die_of_second();
    }
    void set_exception(std::exception_ptr exception) {
        if (!try_set_exception(std::move(exception))) die_of_second();
    }
    void set_error(Error error) {
        if (!try_set_error(error)) die_of_second();
    }

    template <class... V>
        requires(std::is_void_v<T> ? sizeof...(V) == 0 : std::is_constructible_v<T, V...>)
    bool try_set_value(V&&... from) {
        return set([&](auto& state) {
            if constexpr (!std::is_void_v<T>) state.value.emplace(std::forward<V>(from)...);
        });
    }
    bool try_set_exception(std::exception_ptr exception) {
        return set([&](auto& state) { state.exception = std::move(exception); });
    }
    bool try_set_error(Error error) {
        return set([&](auto& state) { state.error = error; });
    }

private:
    template <class F>
    bool set(F&& write) {
        require();
        sched::FutureState<T>& state = *state_;
        if (!state.begin_set()) return false;
        try {
            write(state);
        } catch (...) {
            state.abandon_set();
            throw;
        }
        state.publish();
        return true;
    }
    void break_if_unset() {
        if (state_) (void)try_set_error(Error(Errc::closed, "broken promise"));
    }
    void require() const {
        if (!state_) fatal("use of a Promise that was moved from");
    }
    [[noreturn]] static void die_of_second() { fatal("a Promise was set twice"); }

    std::shared_ptr<sched::FutureState<T>> state_;
};

}  // namespace reeve
