#include "runtime/sched/belongings.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/spin_lock.hpp"
#include "runtime/sched/wait_queue.hpp"

namespace reeve::sched {
namespace {

SpinLock s_labels_lock;  // I3; only fibers with belongings and the dump take it

void set_labels(Belongings& own, std::shared_ptr<const Labels> labels) {
    Entry entry;
    SpinGuard guard(s_labels_lock);
    own.labels.swap(labels);
}

// Drops the belongings of a plain OS thread when the thread ends.
struct ThreadEnd {
    Parkable* who = nullptr;
    ~ThreadEnd() {
        if (who) drop_belongings(*who);
    }
};
thread_local ThreadEnd t_end;

}  // namespace

Belongings& belongings_of(Parkable& who) {
    Belongings* own = who.belongings.load(std::memory_order_relaxed);
    if (own) return *own;
    if (!who.is_fiber) t_end.who = &who;
    own = new Belongings;
    who.belongings.store(own, std::memory_order_release);
    return *own;
}

void drop_belongings(Parkable& who) noexcept {
    Belongings* own = who.belongings.load(std::memory_order_relaxed);
    if (!own) return;
    // A destructor may make another local.
    while (!own->locals.empty()) {
        const Belongings::Local last = own->locals.back();
        own->locals.pop_back();
        last.destroy(last.object);
    }
    REEVE_CHECK(own->attachments.is_empty());
    {
        Entry entry;
        SpinGuard guard(s_labels_lock);
        who.belongings.store(nullptr, std::memory_order_relaxed);
    }
    delete own;
}

void add_labels(Fiber& fiber, const Labels& given) {
    Belongings& own = belongings_of(fiber);
    auto merged = std::make_shared<Labels>();
    if (own.labels) *merged = *own.labels;
    for (const auto& label : given) {
        const auto same_key = [&](const auto& other) { return other.first == label.first; };
        const auto found = std::find_if(merged->begin(), merged->end(), same_key);
        if (found != merged->end())
            found->second = label.second;
        else
            merged->push_back(label);
    }
    set_labels(own, std::move(merged));
    fiber.bequeaths = true;
}

void inherit(Fiber& fiber, const Fiber& maker) {
    StackHead& head = fiber.its_head();
    if (head.name[0] == '\0') memcpy(head.name, maker.its_head().name, sizeof head.name);
    fiber.bequeaths = true;
    const Belongings* makers = maker.belongings.load(std::memory_order_relaxed);
    if (makers && makers->labels) set_labels(belongings_of(fiber), makers->labels);
}

std::string labels_text(const Fiber& fiber) {
    constexpr std::size_t k_most = 256;
    char text[k_most];
    std::size_t used = 0;
    const auto append = [&](const char* from, std::size_t bytes) {
        const std::size_t fits = std::min(bytes, k_most - used);
        memcpy(text + used, from, fits);
        used += fits;
    };
    {
        // No memory is asked for under the lock.
        SpinGuard guard(s_labels_lock);
        const Belongings* own = fiber.belongings.load(std::memory_order_acquire);
        if (!own || !own->labels) return {};
        for (const auto& [key, value] : *own->labels) {
            append(used == 0 ? "[" : " ", 1);
            append(key.data(), key.size());
            append("=", 1);
            append(value.data(), value.size());
        }
    }
    return std::string(text, used) + "]";
}

}  // namespace reeve::sched
