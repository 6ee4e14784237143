// Hogs: handlers that never give their thread back.
//
// Each kind is something real code does: compute, print, allocate, throw, hold a lock, block in the kernel, call foreign
// code. None of them calls the runtime, so nothing in them is a chance to be scheduled.
//
// Idea. The unit is a *turn*: bounded work, most of it 5 to 50 ms, whose checksum depends on nothing but the seed. A hog is
// turns without end (run_hog); a test takes single turns and compares their checksums with those of a plain thread
// (tests/storm). Where endlessness is the point (an empty loop, a read that never returns, a prompt of 27 MB) the hog does
// more than repeat the turn: `endless`.
//
// Any thread, any fiber, any number at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace reeve::starve {

struct HogKind {
    const char* name;
    const char* details;
    std::uint64_t (*turn)(std::uint64_t seed);
    void (*endless)() = nullptr;  // instead of turns without end; never returns
};

[[nodiscard]] std::span<const HogKind> hog_kinds();
[[nodiscard]] std::optional<HogKind> hog_kind(std::string_view name);

// The process that does this is killed at the end.
[[noreturn]] void run_hog(const HogKind& kind);

}  // namespace reeve::starve
