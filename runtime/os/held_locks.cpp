#include "runtime/os/held_locks.hpp"

#include <atomic>
#include <cerrno>
#include <ctime>
#include <cxxabi.h>
#include <dlfcn.h>
#include <pthread.h>

#include "runtime/base/assert.hpp"

// Calls come before any constructor has run, the sanitizers' included.
#define REEVE_PLAIN __attribute__((no_sanitize("address", "thread", "undefined")))
// Kept and exported though no caller is seen; never inlined, not even by link-time optimisation: the caller may be a fiber,
// which changes its thread between two calls, and the compiler must not keep the address of a thread-local for both.
#define REEVE_INTERPOSER __attribute__((used, noinline, visibility("default"))) REEVE_PLAIN

// Everything that is interposed.
#define REEVE_LOCK_FUNCTIONS(one)                                                                     \
    one(pthread_mutex_lock) one(pthread_mutex_trylock) one(pthread_mutex_timedlock)                   \
    one(pthread_mutex_clocklock) one(pthread_mutex_unlock)                                            \
    one(pthread_rwlock_rdlock) one(pthread_rwlock_tryrdlock) one(pthread_rwlock_timedrdlock)          \
    one(pthread_rwlock_clockrdlock) one(pthread_rwlock_wrlock) one(pthread_rwlock_trywrlock)          \
    one(pthread_rwlock_timedwrlock) one(pthread_rwlock_clockwrlock) one(pthread_rwlock_unlock)        \
    one(pthread_spin_lock) one(pthread_spin_trylock) one(pthread_spin_unlock)                         \
    one(pthread_once)                                                                                 \
    one(__cxa_guard_acquire) one(__cxa_guard_release) one(__cxa_guard_abort)

namespace reeve::os {
namespace {

constexpr unsigned k_named = 16;

using Kind = const char*;

struct Lock {
    const volatile void* address;
    Kind kind;
};

// Written by their own thread; a handler that takes locks has put everything back when it returns.
[[gnu::tls_model("initial-exec")]] constinit thread_local std::atomic<unsigned> t_count{0};
// Of the first k_named locks held, oldest first.
[[gnu::tls_model("initial-exec")]] constinit thread_local Lock t_named[k_named]{};

REEVE_PLAIN inline void raise(Kind kind, const volatile void* lock) {
    const unsigned count = t_count.load(std::memory_order_relaxed);
    t_count.store(count + 1, std::memory_order_relaxed);
    // I1. The name comes second: a handler that locks uses the place behind it.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (count < k_named) t_named[count] = {lock, kind};
}

// The place of the newest entry for `lock` among the first `count`; `count` if there is none.
REEVE_PLAIN inline unsigned find_place(const volatile void* lock, unsigned count) {
    for (unsigned at = count; at-- > 0;)
        if (t_named[at].address == lock) return at;
    return count;
}

[[gnu::noinline, gnu::cold]] REEVE_PLAIN void lower_slowly(const volatile void* lock) {
    const unsigned count = t_count.load(std::memory_order_relaxed);
    const unsigned named = count < k_named ? count : k_named;
    unsigned at = find_place(lock, named);
    if (at == named && count <= k_named) at = find_place(nullptr, named);  // one that had no place when it was taken
    if (at == named && count <= k_named) return;                           // I2
    for (; at + 1 < named; ++at) t_named[at] = t_named[at + 1];
    if (at < named && count > k_named) t_named[at] = {};
    std::atomic_signal_fence(std::memory_order_seq_cst);
    t_count.store(count - 1, std::memory_order_relaxed);
}

REEVE_PLAIN inline void lower(const volatile void* lock) {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // I1
    const unsigned count = t_count.load(std::memory_order_relaxed);
    if (count - 1 < k_named && t_named[count - 1].address == lock) [[likely]]
        t_count.store(count - 1, std::memory_order_relaxed);
    else
        lower_slowly(lock);
}

// Where the code between the two may go on with another thread.
[[gnu::noinline]] REEVE_PLAIN void raise_out_of_line(Kind kind, const volatile void* lock) {
    asm volatile("" ::: "memory");
    raise(kind, lock);
}

[[gnu::noinline]] REEVE_PLAIN void lower_out_of_line(const volatile void* lock) {
    asm volatile("" ::: "memory");
    lower(lock);
}

// The definition behind the program's own. Found before main(), or by the first call if that comes earlier: the loader's
// own locks do not come here, so looking is not caught in itself.
struct Next {
    const char* name;
    std::atomic<void*> address{nullptr};

    [[gnu::noinline, gnu::cold]] REEVE_PLAIN void* find() {
        const int saved = errno;
        void* found = dlsym(RTLD_NEXT, name);
        errno = saved;
        address.store(found, std::memory_order_relaxed);  // the same for everybody, and code needs no publishing
        return found;
    }

    template <class Result, class... Arguments>
    REEVE_PLAIN inline auto get() {
        void* found = address.load(std::memory_order_relaxed);
        if (!found) [[unlikely]] {
            found = find();
            if (!found) fatal("no shared library defines %s(): -static and -static-libstdc++ are not supported", name);
        }
        return reinterpret_cast<Result (*)(Arguments...)>(found);
    }
};

#define REEVE_NEXT(name) constinit Next s_##name{#name};
REEVE_LOCK_FUNCTIONS(REEVE_NEXT)
#undef REEVE_NEXT

[[gnu::constructor(101)]] REEVE_PLAIN void find_all() {
#define REEVE_FIND(name) s_##name.find();
    REEVE_LOCK_FUNCTIONS(REEVE_FIND)
#undef REEVE_FIND
}

template <class L, class... Arguments>
REEVE_PLAIN inline int take(Kind kind, Next& next, L* lock, Arguments... arguments) {
    auto* function = next.get<int, L*, Arguments...>();
    raise(kind, lock);
    const int error = function(lock, arguments...);
    if (error != 0 && error != EOWNERDEAD) [[unlikely]]
        lower_slowly(lock);
    return error;
}

template <class L>
REEVE_PLAIN inline int release(Next& next, L* lock) {
    const int error = next.get<int, L*>()(lock);
    if (error == 0) [[likely]]
        lower(lock);
    return error;
}

// Until it goes out of scope, which an exception may cause, too, and maybe on another thread.
class Held {
public:
    REEVE_PLAIN Held(Kind kind, const volatile void* lock) : lock_(lock) { raise_out_of_line(kind, lock); }
    REEVE_PLAIN ~Held() {
        if (lock_) lower_out_of_line(lock_);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    void keep() { lock_ = nullptr; }

private:
    const volatile void* lock_;
};

// Of those with a name.
const Lock* newest() {
    asm volatile("" ::: "memory");
    const unsigned count = t_count.load(std::memory_order_relaxed);
    return count == 0 ? nullptr : &t_named[(count < k_named ? count : k_named) - 1];
}

}  // namespace

[[gnu::noinline]] unsigned held_locks() {
    asm volatile("" ::: "memory");
    return t_count.load(std::memory_order_relaxed);
}

[[gnu::noinline]] const char* held_lock_kind() {
    const Lock* lock = newest();
    return lock ? lock->kind : nullptr;
}

[[gnu::noinline]] const volatile void* held_lock_address() {
    const Lock* lock = newest();
    return lock ? lock->address : nullptr;
}

[[gnu::noinline]] void forget_held_locks() {
    asm volatile("" ::: "memory");
    t_count.store(0, std::memory_order_relaxed);
}

// --- what is called instead of the C and C++ libraries' functions -----------------------------------------------------

#ifndef REEVE_LOCKS_ARE_NOT_COUNTED

constexpr Kind k_mutex = "mutex";
constexpr Kind k_rwlock = "rwlock";
constexpr Kind k_spin_lock = "spin lock";
constexpr Kind k_once = "once";
constexpr Kind k_static_initialiser = "static initialiser";

extern "C" {

REEVE_INTERPOSER int pthread_mutex_lock(pthread_mutex_t* lock) noexcept {
    return take(k_mutex, s_pthread_mutex_lock, lock);
}

REEVE_INTERPOSER int pthread_mutex_trylock(pthread_mutex_t* lock) noexcept {
    return take(k_mutex, s_pthread_mutex_trylock, lock);
}

REEVE_INTERPOSER int pthread_mutex_timedlock(pthread_mutex_t* lock, const timespec* until) noexcept {
    return take(k_mutex, s_pthread_mutex_timedlock, lock, until);
}

REEVE_INTERPOSER int pthread_mutex_clocklock(pthread_mutex_t* lock, clockid_t clock, const timespec* until) noexcept {
    return take(k_mutex, s_pthread_mutex_clocklock, lock, clock, until);
}

REEVE_INTERPOSER int pthread_mutex_unlock(pthread_mutex_t* lock) noexcept {
    return release(s_pthread_mutex_unlock, lock);
}

REEVE_INTERPOSER int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
    return take(k_rwlock, s_pthread_rwlock_rdlock, lock);
}

REEVE_INTERPOSER int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
    return take(k_rwlock, s_pthread_rwlock_tryrdlock, lock);
}

REEVE_INTERPOSER int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock, const timespec* until) noexcept {
    return take(k_rwlock, s_pthread_rwlock_timedrdlock, lock, until);
}

REEVE_INTERPOSER int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
    return take(k_rwlock, s_pthread_rwlock_clockrdlock, lock, clock, until);
}

REEVE_INTERPOSER int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
    return take(k_rwlock, s_pthread_rwlock_wrlock, lock);
}

REEVE_INTERPOSER int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
    return take(k_rwlock, s_pthread_rwlock_trywrlock, lock);
}

REEVE_INTERPOSER int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock, const timespec* until) noexcept {
    return take(k_rwlock, s_pthread_rwlock_timedwrlock, lock, until);
}

REEVE_INTERPOSER int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
    return take(k_rwlock, s_pthread_rwlock_clockwrlock, lock, clock, until);
}

REEVE_INTERPOSER int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
    return release(s_pthread_rwlock_unlock, lock);
}

REEVE_INTERPOSER int pthread_spin_lock(pthread_spinlock_t* lock) noexcept {
    return take(k_spin_lock, s_pthread_spin_lock, lock);
}

REEVE_INTERPOSER int pthread_spin_trylock(pthread_spinlock_t* lock) noexcept {
    return take(k_spin_lock, s_pthread_spin_trylock, lock);
}

REEVE_INTERPOSER int pthread_spin_unlock(pthread_spinlock_t* lock) noexcept {
    return release(s_pthread_spin_unlock, lock);
}

// std::call_once comes here, too. The routine may throw.
REEVE_INTERPOSER int pthread_once(pthread_once_t* once, void (*routine)()) {
    auto* function = s_pthread_once.get<int, pthread_once_t*, void (*)()>();
    const Held held(k_once, once);
    return function(once, routine);
}

// Nonzero: the caller is to initialise, and ends with release or abort. Throws when an initialiser needs itself.
REEVE_INTERPOSER int __cxa_guard_acquire(__cxxabiv1::__guard* guard) {
    auto* function = s___cxa_guard_acquire.get<int, __cxxabiv1::__guard*>();
    Held held(k_static_initialiser, guard);
    const int is_ours = function(guard);
    if (is_ours != 0) held.keep();
    return is_ours;
}

REEVE_INTERPOSER void __cxa_guard_release(__cxxabiv1::__guard* guard) noexcept {
    s___cxa_guard_release.get<void, __cxxabiv1::__guard*>()(guard);
    lower(guard);
}

REEVE_INTERPOSER void __cxa_guard_abort(__cxxabiv1::__guard* guard) noexcept {
    s___cxa_guard_abort.get<void, __cxxabiv1::__guard*>()(guard);
    lower(guard);
}

}  // extern "C"

#endif

}  // namespace reeve::os
