// Hogs: handlers that never give their thread back.
//
// Each kind is something real code does: compute, print, allocate, throw, hold a lock, block in the kernel.
// None of them calls the runtime, and none returns; the process that runs them is killed at the end.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace reeve::starve {

struct HogKind {
    const char* name;
    const char* details;
    void (*run)();  // never returns
};

[[nodiscard]] std::span<const HogKind> hog_kinds();
[[nodiscard]] std::optional<HogKind> hog_kind(std::string_view name);

}  // namespace reeve::starve
