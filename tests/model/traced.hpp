// The runtime's lock-free headers, unchanged, with traced atomics: for model tests (explorer.hpp).
//
// While these headers are read `std::atomic` means TracedAtomic and `reeve` means `reeve_model`: the same text makes other
// classes, which share nothing with those of the runtime library that the test program also links. Asserts are on. A file
// that includes this must include no header of the runtime itself.
//
// What the headers declare and leave to their .cpp is defined here as far as models need it: whoever spins waits through the
// explorer, a barrier does nothing, for every access is seen by all at once, and a failed check ends the execution.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/explorer.hpp"

namespace std {

// In std only because the headers say std::atomic.
template <class T>
class TracedAtomic {
public:
    TracedAtomic() = default;
    constexpr TracedAtomic(T value) : value_(value) {}
    TracedAtomic(const TracedAtomic&) = delete;
    TracedAtomic& operator=(const TracedAtomic&) = delete;

    T load(memory_order = memory_order_seq_cst) const {
        reeve::model::access();
        return value_;
    }
    void store(T value, memory_order = memory_order_seq_cst) {
        reeve::model::access();
        value_ = value;
    }
    T exchange(T value, memory_order = memory_order_seq_cst) {
        reeve::model::access();
        return std::exchange(value_, value);
    }
    bool compare_exchange_strong(T& expected, T desired, memory_order = memory_order_seq_cst,
                                 memory_order = memory_order_seq_cst) {
        reeve::model::access();
        if (value_ == expected) {
            value_ = desired;
            return true;
        }
        expected = value_;
        return false;
    }
    bool compare_exchange_weak(T& expected, T desired, memory_order success = memory_order_seq_cst,
                               memory_order failure = memory_order_seq_cst) {
        return compare_exchange_strong(expected, desired, success, failure);
    }
    T fetch_add(T by, memory_order = memory_order_seq_cst) {
        reeve::model::access();
        return std::exchange(value_, static_cast<T>(value_ + by));
    }
    T fetch_sub(T by, memory_order = memory_order_seq_cst) {
        reeve::model::access();
        return std::exchange(value_, static_cast<T>(value_ - by));
    }
    T fetch_or(T bits, memory_order = memory_order_seq_cst) {
        reeve::model::access();
        return std::exchange(value_, static_cast<T>(value_ | bits));
    }
    T fetch_and(T bits, memory_order = memory_order_seq_cst) {
        reeve::model::access();
        return std::exchange(value_, static_cast<T>(value_ & bits));
    }
    // For conditions of block_until() and for checks at the end: no decision.
    [[nodiscard]] T peek() const { return value_; }

private:
    T value_{};
};

}  // namespace std

#pragma push_macro("NDEBUG")
#undef NDEBUG
#pragma push_macro("__builtin_ia32_pause")
#define reeve reeve_model
#include "runtime/base/point.hpp"  // its hook is no part of any protocol: not traced
#define atomic TracedAtomic
#define __builtin_ia32_pause ::traced_pause
#define REEVE_MODELS_ENTRY  // who is in the runtime, waiting.cpp says

inline void traced_pause();

#include "runtime/sched/fiber.hpp"
#include "runtime/sched/fiber_state.hpp"
#include "runtime/sched/global_queue.hpp"
#include "runtime/sched/local_queue.hpp"
#include "runtime/sched/processor_word.hpp"

#undef atomic
#undef reeve
#pragma pop_macro("__builtin_ia32_pause")
#pragma pop_macro("NDEBUG")

inline void traced_pause() { reeve::model::pause(); }

namespace reeve_model {

inline std::atomic<void (*)(Place)> s_at_point{nullptr};

inline void heavy_barrier() {}

inline void Backoff::pause() { reeve::model::pause(); }

inline void SpinLock::lock_slowly() {
    do reeve::model::block_until([this] { return !locked_.peek(); });
    while (locked_.exchange(true));
}

inline void fatal(const char* format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reeve::model::fail(text);
}

}  // namespace reeve_model
