// full_barrier: orders everything before it against everything after it, loads after stores included.
//
// For the two sides of a Dekker-like protocol, each of which writes one thing and then reads what the other writes; every
// use names its partner. A locked instruction on the own stack: cheaper than mfence, and unlike a fence of the language
// it may be used in ThreadSanitizer builds (which see such data through the atomics concerned anyway). Signal-safe.
#pragma once

namespace reeve {

inline void full_barrier() { asm volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc"); }

}  // namespace reeve
