// Timer: one waiter's deadline.
#pragma once

#include <cstdint>

#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

struct Timer {
    std::int64_t when_ns = 0;
    Parkable* who = nullptr;
    FiberState::Epoch epoch = 0;  // of its wait
};

// Where a timer stands in a processor's tables, a number that its waiter keeps (Parkable::timer_place). The highest bit tells the
// wheel's places from the heap's.
using TimerPlace = std::uint32_t;
inline constexpr TimerPlace k_no_timer = Parkable::k_no_timer;

}  // namespace reeve::sched
