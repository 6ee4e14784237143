#include "tools/prof/profile.hpp"

#include <unordered_map>

#include "tools/prof/names.hpp"

namespace reeve::prof {
namespace {

// A stack whose end was not found stands beside the others, not among them.
constexpr const char* k_incomplete = "[incomplete]";

constexpr std::int64_t k_ns_per_us = 1000;

}  // namespace

void Profile::add(const Stack& stack, const std::string& thread, std::int64_t ns) {
    stacks_[{thread, stack}] += ns;
    ++samples_;
    if (stack.in_fiber) ++samples_in_fibers_;
    total_ns_ += ns;
}

Folded Profile::fold(const Unwinder& unwinder, FoldOptions options) const {
    std::unordered_map<std::uint64_t, std::string> frames;  // innermost last, as the line wants them
    const auto frame = [&](std::uint64_t address) -> const std::string& {
        const auto [entry, is_new] = frames.try_emplace(address);
        if (!is_new) return entry->second;
        for (const std::string& name : unwinder.name(address, options.inlines)) {
            const std::string text = foldable(shortened(name));
            entry->second = entry->second.empty() ? text : text + ";" + entry->second;
        }
        return entry->second;
    };
    std::map<std::string, std::int64_t> sums;
    for (const auto& [key, ns] : stacks_) {
        const auto& [thread, stack] = key;
        std::string line;
        if (options.thread_names) line = foldable(thread) + ";";
        if (!stack.complete) line.append(k_incomplete).append(";");
        for (auto address = stack.addresses.rbegin(); address != stack.addresses.rend(); ++address)
            line.append(frame(*address)).append(";");
        if (line.empty()) continue;
        line.pop_back();
        sums[line] += ns;
    }
    Folded folded;
    for (const auto& [line, ns] : sums) {
        const auto us = static_cast<std::uint64_t>((ns + k_ns_per_us / 2) / k_ns_per_us);
        if (us > 0) folded.emplace(line, us);
    }
    return folded;
}

}  // namespace reeve::prof
