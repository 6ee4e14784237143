// List: a doubly linked list of nodes embedded in their owners; FIFO use, removal from the middle.
//
// Nothing is allocated and nothing is owned: a node must be unlinked before its memory goes away. Not synchronised:
// each list says which lock guards it.
#pragma once

#include "runtime/base/assert.hpp"

namespace reeve {

template <class T>
struct ListNode {
    T* next = nullptr;
    T* previous = nullptr;
    bool is_linked = false;
};

// T derives from ListNode<T>.
template <class T>
class List {
public:
    [[nodiscard]] bool is_empty() const { return first_ == nullptr; }
    [[nodiscard]] T* first() const { return first_; }
    [[nodiscard]] T* last() const { return last_; }

    void push_back(T& node) {
        REEVE_ASSERT(!node.is_linked);
        node.next = nullptr;
        node.previous = last_;
        node.is_linked = true;
        (last_ ? last_->next : first_) = &node;
        last_ = &node;
    }

    T* pop_front() {
        T* node = first_;
        if (node) remove(*node);
        return node;
    }

    void remove(T& node) {
        REEVE_ASSERT(node.is_linked);
        (node.previous ? node.previous->next : first_) = node.next;
        (node.next ? node.next->previous : last_) = node.previous;
        node.is_linked = false;
    }

private:
    T* first_ = nullptr;
    T* last_ = nullptr;
};

}  // namespace reeve
