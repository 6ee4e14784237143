// Blocker: what a wait is for when certain fibers must act to end it, in one word. For whoever looks for fibers that wait for each
// other in a circle (wait_circles.hpp); most waits have none.
#pragma once

#include <cstdint>

namespace reeve::sched {

struct Fiber;

class Blocker {
public:
    enum Kind : std::uintptr_t { nobody, lock, fiber, group };

    Blocker() = default;
    // The wait for a lock. The word holds an address on the stack of whoever has it, 0 when that is not known; its last three
    // bits mean nothing.
    static Blocker for_lock(const void* word) { return {word, lock}; }
    // For the end of a fiber.
    static Blocker for_fiber(Fiber* const* word) { return {word, fiber}; }
    // For the end of all fibers of a group.
    static Blocker for_group(const void* group_) { return {group_, group}; }

    [[nodiscard]] Kind kind() const { return static_cast<Kind>(bits_ & k_kind); }
    [[nodiscard]] std::uintptr_t address() const { return bits_ & ~k_kind; }

private:
    static constexpr std::uintptr_t k_kind = 3;

    Blocker(const void* at, Kind kind) : bits_(reinterpret_cast<std::uintptr_t>(at) | kind) {}

    std::uintptr_t bits_ = 0;
};

}  // namespace reeve::sched
