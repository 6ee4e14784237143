// ChannelBuffer: the values that wait in a channel; a ring of fixed capacity. Internal to channel.hpp.
//
// Its memory is allocated when it is made, as Go's is: nothing is allocated while the channel's lock is held. std::bad_alloc
// from the constructor only. Guarded by the channel's lock.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace reeve::sched {

template <class T>
class ChannelBuffer {
public:
    explicit ChannelBuffer(std::size_t capacity)
        : slots_(capacity == 0 ? nullptr : std::allocator<T>().allocate(capacity)), capacity_(capacity) {}
    ~ChannelBuffer() {
        while (!is_empty()) pop();
        if (slots_) std::allocator<T>().deallocate(slots_, capacity_);
    }
    ChannelBuffer(const ChannelBuffer&) = delete;
    ChannelBuffer& operator=(const ChannelBuffer&) = delete;

    [[nodiscard]] bool is_empty() const { return size_ == 0; }
    [[nodiscard]] bool is_full() const { return size_ == capacity_; }

    void push(T&& value) {  // not full
        const std::size_t until_end = capacity_ - first_;
        std::construct_at(slots_ + (size_ < until_end ? first_ + size_ : size_ - until_end), std::move(value));
        ++size_;
    }
    [[nodiscard]] T& front() { return slots_[first_]; }  // not empty
    void pop() {
        std::destroy_at(slots_ + first_);
        first_ = first_ + 1 == capacity_ ? 0 : first_ + 1;
        --size_;
    }

private:
    T* const slots_;
    const std::size_t capacity_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace reeve::sched
