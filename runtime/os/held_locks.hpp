// held_locks(): how many of the operating system's locks this thread holds, so that nobody stops it while others wait.
//
// Idea. The program itself defines the functions that take and release locks (pthread mutexes, rwlocks, spin locks, once
// routines, guards of function-local statics): each counts, and calls the next definition. What a program defines comes
// before what libraries define, so the calls that shared libraries make are counted, too: std::mutex, std::call_once, OpenSSL.
//
// Callers. Any thread, for itself, with or without a runtime. held_locks() is signal-safe. Nothing here parks or allocates.
//
// I1  A handler on this thread never sees 0 while a lock is held: the count rises before a lock is tried, and falls after
//     it was released. It may see one too many.
// I2  A thread uncounts only what it counted: releasing a lock that another thread took changes nothing here, so the count
//     never wraps; that other thread is left with one too many. (Beyond k_named locks at once they are not told apart.)
// I3  A failed attempt does not count; EOWNERDEAD does (the lock is held); a recursive lock counts once per level.
//
// Not counted: locks that the C library takes for itself (malloc, stdio, the loader), whose calls cannot be replaced, but
// then a library is among the callers; C11's mtx_lock and call_once, flockfile(); semaphores, which have no holder; spin
// locks that a program writes itself. A wait for a condition variable counts as holding its mutex all the time: the C library
// releases and takes it inside the call, and there a handler finds a library anyway.
//
// Linking. Static (the default): in every program that uses the runtime, link-time optimisation included. As a shared
// library: when the program is linked with it, not when dlopen() loads it later. Not with -static or -static-libstdc++: there
// is no next definition then, and the first such call ends the program with a message. GCC's sanitizers and Clang's for
// addresses see the calls as before; Clang's ThreadSanitizer defines the same functions in the program: nothing is counted.
#pragma once

namespace reeve::os {

#ifdef __clang__
#if __has_feature(thread_sanitizer)
#define REEVE_LOCKS_ARE_NOT_COUNTED
#endif
#endif

#ifdef REEVE_LOCKS_ARE_NOT_COUNTED
inline constexpr bool k_counts_held_locks = false;
#else
inline constexpr bool k_counts_held_locks = true;
#endif

// How many locks the calling thread holds.
[[nodiscard]] unsigned held_locks();

// Of those, the one it took last: "mutex", "rwlock", "spin lock", "once" or "static initialiser", and its address. Null
// when there is none.
[[nodiscard]] const char* held_lock_kind();
[[nodiscard]] const volatile void* held_lock_address();

// Counts the calling thread from 0 again: whoever held locks here has ended without releasing them.
void forget_held_locks();

}  // namespace reeve::os
