// The turns of every kind of hog, by the file that has them; hogs.cpp puts them into one table.
//
// A turn returns a checksum that depends on its seed only, or, when something it relies on was not so, what broken() says.
#pragma once

#include <cstdint>

namespace reeve::starve::hogs {

// compute.cpp: the CPU and nothing else
std::uint64_t turn_loop(std::uint64_t seed);
std::uint64_t turn_clock(std::uint64_t seed);
std::uint64_t turn_avx(std::uint64_t seed);
std::uint64_t turn_sort(std::uint64_t seed);
void endless_loop();

// text.cpp: what a server of language models does to texts
std::uint64_t turn_regex(std::uint64_t seed);
std::uint64_t turn_json(std::uint64_t seed);
std::uint64_t turn_tokens(std::uint64_t seed);
void endless_tokens();

// library.cpp: the C and C++ libraries, whose locks and caches a stopped thread may hold
std::uint64_t turn_printf(std::uint64_t seed);
std::uint64_t turn_malloc(std::uint64_t seed);
std::uint64_t turn_exception(std::uint64_t seed);

// locks.cpp: computing while others wait
std::uint64_t turn_mutex(std::uint64_t seed);
std::uint64_t turn_recursive(std::uint64_t seed);
std::uint64_t turn_spinlock(std::uint64_t seed);
std::uint64_t turn_static(std::uint64_t seed);

// thread.cpp: what belongs to the thread
std::uint64_t turn_tls(std::uint64_t seed);
std::uint64_t turn_errno(std::uint64_t seed);

// foreign.cpp: code the program did not have when it started
std::uint64_t turn_jit(std::uint64_t seed);
std::uint64_t turn_plugin(std::uint64_t seed);

// kernel.cpp: system calls that take their time
std::uint64_t turn_read(std::uint64_t seed);
std::uint64_t turn_usleep(std::uint64_t seed);
std::uint64_t turn_faults(std::uint64_t seed);
std::uint64_t turn_children(std::uint64_t seed);
void endless_read();
void endless_usleep();

}  // namespace reeve::starve::hogs
