// Unwinder: from a copied stack to addresses, and from addresses to names. The only user of elfutils.
//
// Idea. libdwfl walks the copy with the unwind tables of the executable and its libraries, so that it passes
// through code built without frame pointers (the C library) and through signal frames. A fiber's stack ends
// at its entry: what lies beyond belongs to Boost.Context's trampoline, which has no tables, and whatever is
// said about it is noise. The entry is found by name once per module and then recognised by address.
//
// Unwinding is done while sampling (copies are large, addresses small); naming afterwards, each address once.
// One thread only. Memory outside the copy is read from the running process (a handler on an alternate
// stack).
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/prof/snapshot.hpp"

namespace reeve::prof {

struct Stack {
    std::vector<std::uint64_t> addresses;  // leaf first; of callers: the call, not the instruction after it
    bool complete = false;                 // reached a fiber's entry or the start of its thread
    bool in_fiber = false;

    friend auto operator<=>(const Stack&, const Stack&) = default;
};

class Unwinder {
public:
    explicit Unwinder(pid_t pid);
    ~Unwinder();
    Unwinder(const Unwinder&) = delete;
    Unwinder& operator=(const Unwinder&) = delete;

    // Empty, or why the process cannot be read.
    [[nodiscard]] std::string error() const;

    // Looks again which libraries are loaded; for programs that load some while they run.
    void refresh();

    [[nodiscard]] Stack unwind(const Snapshot& snapshot);

    // The functions at that address: one, or with `inlines` also those inlined there, innermost first.
    // Demangled. Works after the process has ended.
    [[nodiscard]] std::vector<std::string> name(std::uint64_t address, bool inlines) const;

    // Where a variable lies that the program or the runtime's library defines, by its symbol.
    [[nodiscard]] std::optional<std::uint64_t> find_variable(std::string_view symbol) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace reeve::prof
