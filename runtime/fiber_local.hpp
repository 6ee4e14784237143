// FiberLocal: a value per fiber, as thread_local is one per thread.
//
//     reeve::FiberLocal<Random> random;     // usually static
//     random->next();                       // the calling fiber's own
//
// Idea. pthread's keys. A fiber's value is made on its first use of it there, by T's default constructor, and destroyed when
// the fiber ends, the youngest first, before Join::join() or the end of its scope returns. It is not inherited. In a plain OS
// thread it is the thread's, destroyed when the thread ends. thread_local itself is no substitute: a fiber moves between
// threads.
//
// A lookup goes through the fiber's values one by one: made for a handful. A FiberLocal that goes away leaves the values where
// they are until their fibers end. T's constructor and destructor run in user code and may wait; an exception of the constructor
// passes, and the next use tries again. Never parks by itself. Not signal-safe.
#pragma once

#include <cstdint>
#include <memory>

namespace reeve {

namespace sched {

[[nodiscard]] std::uint64_t new_local_id();
// The calling fiber's (or thread's). find_local: null when there is none yet.
[[nodiscard]] void* find_local(std::uint64_t id);
void add_local(std::uint64_t id, void* object, void (*destroy)(void* object));

}  // namespace sched

template <class T>
class FiberLocal {
public:
    FiberLocal() : id_(sched::new_local_id()) {}
    FiberLocal(const FiberLocal&) = delete;
    FiberLocal& operator=(const FiberLocal&) = delete;

    [[nodiscard]] T& operator*() const {
        if (void* found = sched::find_local(id_)) return *static_cast<T*>(found);
        auto made = std::make_unique<T>();
        sched::add_local(id_, made.get(), [](void* object) { delete static_cast<T*>(object); });
        return *made.release();
    }
    T* operator->() const { return &**this; }

private:
    const std::uint64_t id_;
};

}  // namespace reeve
