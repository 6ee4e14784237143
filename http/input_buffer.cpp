#include "http/input_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace reeve::http {

Result<void> InputBuffer::fill(net::Stream& stream, std::size_t block_bytes, Deadline deadline) {
    const std::uint32_t held = end_ - begin_;
    // The caller has parsed what was there and wants more; in practice nothing is held, and nothing is moved.
    if (capacity_ < block_bytes || end_ == capacity_) {
        const std::size_t wanted = std::max<std::size_t>(block_bytes, held + block_bytes / 2);
        if (capacity_ < wanted) {
            std::unique_ptr<char[]> larger(new char[wanted]);  // not value-initialised
            if (held > 0) std::memcpy(larger.get(), block_.get() + begin_, held);
            block_ = std::move(larger);
            capacity_ = static_cast<std::uint32_t>(wanted);
        } else {
            std::memmove(block_.get(), block_.get() + begin_, held);
        }
        begin_ = 0;
        end_ = held;
    } else if (held == 0) {
        begin_ = end_ = 0;
    }
    const std::span<char> space(block_.get() + end_, capacity_ - end_);
    const Result<std::size_t> got = stream.read(std::as_writable_bytes(space), deadline);
    if (!got) {
        release_if_empty();
        return got.error();
    }
    end_ += static_cast<std::uint32_t>(*got);
    return {};
}

void InputBuffer::release_if_empty() {
    if (!empty()) return;
    block_.reset();
    capacity_ = begin_ = end_ = 0;
}

}  // namespace reeve::http
