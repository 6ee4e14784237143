#include "apps/starve/hogs.hpp"

#include <array>
#include <cstdlib>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"

namespace reeve::starve {
namespace {

using namespace hogs;

constexpr std::array k_kinds{
    // compute.cpp
    HogKind{"loop", "an empty endless loop", turn_loop, endless_loop},
    HogKind{"clock", "a loop that reads the clock", turn_clock},
    HogKind{"avx", "a loop over AVX registers", turn_avx},
    HogKind{"sort", "qsort with a slow comparator", turn_sort},
    // text.cpp
    HogKind{"regex", "std::regex backtracking", turn_regex},
    HogKind{"json", "parsing a giant JSON text", turn_json},
    HogKind{"tokens", "tokenising a prompt of 27 MB", turn_tokens, endless_tokens},
    // library.cpp
    HogKind{"printf", "printf in a loop", turn_printf},
    HogKind{"malloc", "malloc and free in a loop", turn_malloc},
    HogKind{"exception", "throwing and catching in a loop", turn_exception},
    // locks.cpp
    HogKind{"mutex", "computing while holding a std::mutex all hogs share", turn_mutex},
    HogKind{"recursive", "the same with a std::recursive_mutex, held three times", turn_recursive},
    HogKind{"spinlock", "the same with a spinlock of the user's own", turn_spinlock},
    HogKind{"static", "a slow initialiser of a function's static variable", turn_static},
    // thread.cpp
    HogKind{"tls", "a loop that relies on a thread_local variable", turn_tls},
    HogKind{"errno", "a loop that relies on errno", turn_errno},
    // foreign.cpp
    HogKind{"jit", "machine code generated while running", turn_jit},
    HogKind{"plugin", "a loop in a library loaded with dlopen", turn_plugin},
    // kernel.cpp
    HogKind{"read", "a blocking read on a pipe nobody writes to", turn_read, endless_read},
    HogKind{"usleep", "usleep(200000) in a loop", turn_usleep, endless_usleep},
    HogKind{"faults", "mapping, touching and unmapping memory in a loop", turn_faults},
    HogKind{"children", "starting /bin/true and waiting for it in a loop", turn_children},
};

}  // namespace

std::span<const HogKind> hog_kinds() { return k_kinds; }

std::optional<HogKind> hog_kind(std::string_view name) {
    for (const HogKind& kind : k_kinds)
        if (name == kind.name) return kind;
    return std::nullopt;
}

void run_hog(const HogKind& kind) {
    if (kind.endless) {
        kind.endless();
        std::abort();
    }
    std::uint64_t sum = 0;
    for (std::uint64_t seed = 1;; ++seed) keep(sum += kind.turn(seed));
}

}  // namespace reeve::starve
