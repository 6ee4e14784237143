// Profile: how much time was seen in which stack.
//
// Idea. While sampling, stacks are addresses and are only counted. Folding happens once, at the end:
// addresses become names and equal stacks merge. Time, not samples: a thread that waits for a CPU is runnable
// at each tick but spends nothing, so a sample counts the CPU time its thread has used since the sample
// before. The sum is then the CPU time of the process.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tools/prof/folded.hpp"
#include "tools/prof/unwinder.hpp"

namespace reeve::prof {

struct FoldOptions {
    bool thread_names = false;  // the name of its OS thread as each stack's root
    bool inlines = false;
};

class Profile {
public:
    void add(const Stack& stack, const std::string& thread, std::int64_t ns);
    [[nodiscard]] Folded fold(const Unwinder& unwinder, FoldOptions options) const;

    [[nodiscard]] std::uint64_t samples() const { return samples_; }
    [[nodiscard]] std::uint64_t samples_in_fibers() const { return samples_in_fibers_; }
    [[nodiscard]] std::int64_t total_ns() const { return total_ns_; }

private:
    std::map<std::pair<std::string, Stack>, std::int64_t> stacks_;
    std::uint64_t samples_ = 0;
    std::uint64_t samples_in_fibers_ = 0;
    std::int64_t total_ns_ = 0;
};

}  // namespace reeve::prof
