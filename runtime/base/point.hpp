// schedule_point: a place where a test may have another fiber go first (testing.hpp).
//
// For the runtime's own headers. What happens there is the affair of whoever set `s_at_point`; nobody did: one load and a branch
// that is never taken.
//
// The runtime's own tests are linked with a build of it, REEVE_POINTS_AT_LOCKS, that has points at its spin locks, too: before one
// is taken and after it was released, as far as no other is held. That is where several workers could come in between.
#pragma once

#include <atomic>
#include <cstdint>

namespace reeve {

enum class Place : std::uint8_t {
    outside,  // in user code, between two calls of the runtime
    inside,   // in such a call, no lock being held
    stuck,    // in a loop that waits for another to go on
    at_lock,  // before a lock, or after it
    locked,   // no point: from here on there are none,
    unlocked  // up to here; nests
};

extern std::atomic<void (*)(Place)> s_at_point;

inline void schedule_point(Place place) {
    if (auto* act = s_at_point.load(std::memory_order_relaxed)) [[unlikely]]
        act(place);
}

// No points in its scope: what belongs to a processor is being changed, without a lock.
class [[nodiscard]] NoPoints {
#ifdef REEVE_POINTS_AT_LOCKS
public:
    NoPoints() { schedule_point(Place::locked); }
    ~NoPoints() { schedule_point(Place::unlocked); }
    NoPoints(const NoPoints&) = delete;
    NoPoints& operator=(const NoPoints&) = delete;
#endif
};

}  // namespace reeve
