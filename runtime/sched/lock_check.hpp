// Lock check: tells of fibers that wait, yield or end while they hold a lock of the operating system (Config::check_locks).
//
// Such a fiber keeps its thread (Worker::switch_away), so the lock is safe; but whoever wants it blocks a thread of his own
// instead of parking, and nobody may stop the holder. A fiber's own Mutex is what the program should use there.
//
// Callers: the fiber's thread, in the runtime. Does not park.
#pragma once

#include <cstdint>

namespace reeve::sched {

struct Fiber;
enum class After : std::uint8_t;

// `after`: why it leaves its stack. Tells the first time for each name of a fiber and reason of a wait, and nothing more when
// there have been too many different ones.
void tell_of_held_locks(const Fiber& fiber, After after);

}  // namespace reeve::sched
