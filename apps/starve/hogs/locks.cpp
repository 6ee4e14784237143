// Hogs that compute while they hold what others wait for. All of a kind share one lock.
#include <atomic>
#include <mutex>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"

namespace reeve::starve::hogs {
namespace {

// What a lock guards: whoever holds it finds what it wrote itself, however long it computed in between.
class Guarded {
public:
    std::uint64_t use(std::uint64_t seed, std::uint64_t rounds) {
        const std::uint64_t number = ++number_;
        const std::uint64_t result = compute(seed, rounds);
        return number_ == number ? result : broken("a lock let two in at once");
    }

private:
    std::uint64_t number_ = 0;
};

// As users write them: it knows nothing of anybody who might be stopped while holding it.
class UserSpinLock {
public:
    void lock() {
        while (flag_.test_and_set(std::memory_order_acquire)) {
        }
    }
    void unlock() { flag_.clear(std::memory_order_release); }

private:
    std::atomic_flag flag_;
};

struct Failed {
    std::uint64_t result;
};

// An initialiser that takes its time and then fails: so the variable stays without a value, and the next turn is the first
// one again, for ever. Whoever comes meanwhile waits at the variable's guard, as with one that succeeds.
struct Attempt {
    explicit Attempt(std::uint64_t seed) { throw Failed{compute(seed, 5 * k_rounds_per_ms)}; }
};

}  // namespace

std::uint64_t turn_mutex(std::uint64_t seed) {
    static std::mutex s_mutex;
    static Guarded s_guarded;
    const std::lock_guard guard(s_mutex);
    return s_guarded.use(seed, 10 * k_rounds_per_ms);
}

std::uint64_t turn_recursive(std::uint64_t seed) {
    static std::recursive_mutex s_mutex;
    static Guarded s_guarded;
    const std::lock_guard outer(s_mutex);
    std::uint64_t sum = s_guarded.use(seed, 3 * k_rounds_per_ms);
    const std::unique_lock middle(s_mutex, std::try_to_lock);
    if (!middle.owns_lock()) return broken("recursive: the holder is not known any more");
    sum = s_guarded.use(sum, 3 * k_rounds_per_ms);
    const std::lock_guard inner(s_mutex);
    return s_guarded.use(sum, 3 * k_rounds_per_ms);
}

std::uint64_t turn_spinlock(std::uint64_t seed) {
    static UserSpinLock s_lock;
    static Guarded s_guarded;
    const std::lock_guard guard(s_lock);
    return s_guarded.use(seed, k_rounds_per_ms);
}

std::uint64_t turn_static(std::uint64_t seed) {
    try {
        static const Attempt s_attempt(seed);
        keep(s_attempt);
    } catch (const Failed& failed) {
        return failed.result;
    }
    return broken("static: an initialiser that fails has succeeded");
}

}  // namespace reeve::starve::hogs
