// InputBuffer: bytes that have arrived from a stream and are not consumed yet. Internal.
//
// Idea. The block exists only while it holds bytes or a read is under way, so a connection whose handler sleeps, or
// whose event stream runs for an hour, holds none. Blocks are small for heads (malloc keeps those in its fast lists)
// and larger for bodies. What bytes() showed stays readable until the next fill() or release_if_empty().
//
// One fiber at a time; fill() may park.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "net/stream.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve::http {

class InputBuffer {
public:
    static constexpr std::size_t k_head_block_bytes = 1024;
    static constexpr std::size_t k_body_block_bytes = 16 * 1024;

    [[nodiscard]] std::string_view bytes() const { return {block_.get() + begin_, end_ - begin_}; }
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    void consume(std::size_t count) { begin_ += static_cast<std::uint32_t>(count); }

    // One read of at least one byte, into a block of at least `block_bytes`.
    Result<void> fill(net::Stream& stream, std::size_t block_bytes, Deadline deadline);
    void release_if_empty();

private:
    std::unique_ptr<char[]> block_;
    std::uint32_t capacity_ = 0;
    std::uint32_t begin_ = 0;
    std::uint32_t end_ = 0;
};

}  // namespace reeve::http
