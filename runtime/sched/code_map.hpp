// CodeMap: what kind of code lies at an address. For the decision where a thread may be stopped (stop_check.hpp).
//
// Idea. Read from /proc/self/maps, not from the loader: that takes no lock which the code that is asked about may hold. Code
// that is nowhere in the map (a library loaded since, or code generated since) makes it stale; the monitor reads it anew.
//
// Callers. kind_of, is_system_call, note_unknown: any thread, signal-safe. refresh: one thread at a time (the housekeeper, or
// before it starts).
//
// I1  A map that is published does not change while it is the newest. A reader that is stopped in the middle of a lookup for
//     two refreshes gets `unknown`.
#pragma once

#include <cstdint>

namespace reeve::sched::code_map {

enum class Kind : std::uint8_t {
    program,    // the executable's own
    library,    // of a file that is not the executable
    generated,  // of no file: made at run time, or the kernel's (vdso); holds no lock of a library
    unknown,
};

[[nodiscard]] Kind kind_of(std::uintptr_t address);
// The instruction `syscall`, in the program or a library: there its bytes are to be read.
[[nodiscard]] bool is_system_call(std::uintptr_t address);

void refresh();

// Somebody met unknown code.
void note_unknown();
[[nodiscard]] bool is_stale();

}  // namespace reeve::sched::code_map
