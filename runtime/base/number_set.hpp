// NumberSet: numbers below some bound, of which the lowest or the highest is taken.
//
// Idea. A bit per number, and above it, level by level, a bit per word that is not zero (van Emde Boas's tree with words for
// nodes). Who takes or puts in looks at one word per level at most; a million numbers are 130 KB, so the words of many are in the
// caches, and who puts a million in waits neither for an allocator nor for the kernel to find memory.
//
// Not synchronised: who has one says which lock guards it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/assert.hpp"

namespace reeve {

class NumberSet {
public:
    // For numbers below `bound`, which may grow. std::bad_alloc.
    void reserve(std::size_t bound) {
        REEVE_CHECK(bound <= k_most);
        for (auto& level : levels_) {
            bound = (bound + k_bits - 1) / k_bits;
            if (level.size() < bound) level.resize(bound);
        }
    }

    [[nodiscard]] std::size_t size() const { return size_; }

    // One that is not in it.
    void insert(std::size_t number) {
        ++size_;
        for (auto& level : levels_) {
            std::uint64_t& word = level[number / k_bits];
            const std::uint64_t before = word;
            word |= bit(number);
            REEVE_ASSERT(word != before);
            if (before != 0) return;
            number /= k_bits;
        }
    }

    // Calls take(number) for up to `count` of the lowest, in ascending order. Returns for how many.
    template <class Take>
    std::size_t take_lowest(std::size_t count, Take take) {
        std::size_t taken = 0;
        while (taken < count && size_ != taken) {
            const std::size_t at = find([](std::uint64_t word) { return std::countr_zero(word); });
            std::uint64_t& word = levels_[0][at];
            for (; word != 0 && taken < count; word &= word - 1, ++taken)
                take(at * k_bits + static_cast<std::size_t>(std::countr_zero(word)));
            if (word == 0) note_empty(at);
        }
        size_ -= taken;
        return taken;
    }

    // There is one.
    std::size_t take_highest() {
        REEVE_ASSERT(size_ != 0);
        const auto highest = [](std::uint64_t word) { return std::bit_width(word) - 1; };
        const std::size_t at = find(highest);
        std::uint64_t& word = levels_[0][at];
        const auto number = static_cast<std::size_t>(highest(word));
        word &= ~bit(number);
        if (word == 0) note_empty(at);
        --size_;
        return at * k_bits + number;
    }

private:
    static constexpr std::size_t k_bits = 64;
    static constexpr std::size_t k_levels = 5;
    static constexpr std::size_t k_most = std::size_t{1} << 6 * k_levels;  // so that the highest level has one word
    static constexpr std::uint64_t bit(std::size_t number) { return std::uint64_t{1} << number % k_bits; }

    // The word of the lowest level that a choice of one bit in each word leads to.
    template <class Choice>
    [[nodiscard]] std::size_t find(Choice choice) const {
        std::size_t at = 0;
        for (std::size_t level = k_levels - 1; level != 0; --level)
            at = at * k_bits + static_cast<std::size_t>(choice(levels_[level][at]));
        return at;
    }

    void note_empty(std::size_t at) {
        for (std::size_t level = 1; level < k_levels; ++level, at /= k_bits) {
            std::uint64_t& word = levels_[level][at / k_bits];
            word &= ~bit(at);
            if (word != 0) return;
        }
    }

    std::array<std::vector<std::uint64_t>, k_levels> levels_;  // a bit of the next stands for a word of this
    std::size_t size_ = 0;
};

}  // namespace reeve
