// Poisoned: a place for an object that shows whether somebody writes to it after it was destroyed.
//
// For objects that may be destroyed as soon as somebody has got through: the call that let him through may not have
// returned yet, and must not touch the object any more. Any thread; make, destroy, spoiled_bytes in this order.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <new>

namespace reeve::test {

template <class T>
class Poisoned {
public:
    template <class... A>
    T& make(A... from) {
        object_ = ::new (memory_.data()) T(from...);
        return *object_;
    }
    void destroy() {
        object_->~T();
        std::memset(memory_.data(), k_poison, memory_.size());
    }
    // Once whoever might write has ended.
    [[nodiscard]] int spoiled_bytes() const {
        int spoiled = 0;
        for (const unsigned char byte : memory_) spoiled += byte == k_poison ? 0 : 1;
        return spoiled;
    }

private:
    static constexpr unsigned char k_poison = 0xa5;

    alignas(T) std::array<unsigned char, sizeof(T)> memory_;
    T* object_ = nullptr;
};

}  // namespace reeve::test
