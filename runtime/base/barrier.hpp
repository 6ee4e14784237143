// Barriers for the two sides of a Dekker-like protocol, each of which writes one thing and then reads what the other writes;
// every use names its partner. All order everything before them against everything after them, loads after stores included.
// Signal-safe.
//
//   full_barrier   on both sides
//   light_barrier  on the side that runs all the time, heavy_barrier on the one that runs rarely: the heavy one makes every
//                  running thread of the process pass a barrier (membarrier of Linux 4.14, some microseconds), so the light one
//                  need only keep the compiler from reordering. Where the kernel refuses that, both are full.
#pragma once

namespace reeve {

// A locked instruction on the own stack: cheaper than mfence, and unlike a fence of the language it may be used in
// ThreadSanitizer builds (which see such data through the atomics concerned anyway).
inline void full_barrier() { asm volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc"); }

extern bool g_light_barriers;  // set before there is a second side
// Asks the kernel for heavy barriers. At the start, once or more often.
void enable_light_barriers();

inline void light_barrier() {
    asm volatile("" ::: "memory");
    if (!g_light_barriers) [[unlikely]]
        full_barrier();
}
void heavy_barrier();

inline void spin_pause() { __builtin_ia32_pause(); }

}  // namespace reeve
