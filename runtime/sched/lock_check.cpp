#include "runtime/sched/lock_check.hpp"

#include <array>
#include <atomic>
#include <cstdint>

#include "runtime/base/assert.hpp"
#include "runtime/os/held_locks.hpp"
#include "runtime/sched/fiber.hpp"
#include "runtime/sched/worker.hpp"

namespace reeve::sched {
namespace {

// What was told, as hashes; 0: a free place. A warning lost to two equal hashes is no harm.
std::array<std::atomic<std::uint64_t>, 128> s_told;

std::uint64_t hash_of(const char* text, std::uint64_t hash) {
    for (; *text != '\0'; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 0x100000001b3U;
    return hash ^ 0xff;
}

bool is_first(std::uint64_t hash) {
    for (auto& place : s_told) {
        std::uint64_t found = place.load(std::memory_order_relaxed);
        if (found == 0 && place.compare_exchange_strong(found, hash, std::memory_order_relaxed)) return true;
        if (found == hash) return false;
    }
    return false;
}

}  // namespace

void tell_of_held_locks(const Fiber& fiber, After after) {
    const char* what = after == After::ended ? "ends" : after == After::parked ? "parks" : "yields";
    const char* reason = after == After::parked ? fiber.reason : nullptr;
    const unsigned locks = os::held_locks();
    std::uint64_t hash = hash_of(what, hash_of(fiber.name(), 0xcbf29ce484222325U));
    if (reason) hash = hash_of(reason, hash);
    if (locks == 0 || !is_first(hash | 1)) return;
    const char* kind = os::held_lock_kind();
    const bool has_ended = after == After::ended;
    warn("fiber %llu '%s' %s%s%s%s while holding %u OS lock%s (%s at %p): %s; use reeve::Mutex or release it first",
         static_cast<unsigned long long>(fiber.id), fiber.name(), what, reason ? " (" : "", reason ? reason : "", reason ? ")" : "",
         locks, locks == 1 ? "" : "s", kind ? kind : "?", const_cast<const void*>(os::held_lock_address()),
         has_ended ? "it stays locked" : "its thread waits with it");
}

}  // namespace reeve::sched
