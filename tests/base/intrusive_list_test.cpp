// List: order, removal from anywhere, being linked.
#include "runtime/base/intrusive_list.hpp"

#include <array>

#include "tests/support/catch.hpp"

namespace {

struct Item : reeve::ListNode<Item> {};

}  // namespace

TEST_CASE("list: first in, first out", "[list]") {
    std::array<Item, 3> items;
    reeve::List<Item> list;
    CHECK(list.is_empty());
    for (Item& item : items) list.push_back(item);
    for (Item& item : items) {
        CHECK(list.first() == &item);
        CHECK(list.pop_front() == &item);
        CHECK_FALSE(item.is_linked);
    }
    CHECK(list.is_empty());
    CHECK(list.pop_front() == nullptr);
}

TEST_CASE("list: the first, a middle and the last node can be removed", "[list]") {
    for (std::size_t gone = 0; gone < 4; ++gone) {
        std::array<Item, 4> items;
        reeve::List<Item> list;
        for (Item& item : items) list.push_back(item);
        list.remove(items[gone]);
        CHECK_FALSE(items[gone].is_linked);
        for (std::size_t i = 0; i < items.size(); ++i)
            if (i != gone) CHECK(list.pop_front() == &items[i]);
        CHECK(list.is_empty());
    }
}

TEST_CASE("list: a removed node can be linked again", "[list]") {
    std::array<Item, 2> items;
    reeve::List<Item> list;
    list.push_back(items[0]);
    list.push_back(items[1]);
    list.remove(items[0]);
    list.push_back(items[0]);
    CHECK(list.pop_front() == &items[1]);
    CHECK(list.pop_front() == &items[0]);
}
