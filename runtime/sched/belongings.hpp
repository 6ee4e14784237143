// Belongings: what only some fibers have: a deadline of their own, what they are attached to, locals, labels.
//
// Idea. They are made when first needed, so that a fiber which needs none pays for one null pointer: in its memory, at its
// start, at its end and at each park. A plain OS thread that calls the same functions has belongings, too, until it ends.
//
// Callers. The fiber (or thread) they belong to. Two exceptions: whoever cancels something hits an Attachment (cancel.hpp),
// and the dump reads labels.
//
// I1  An attachment is in `attachments` exactly while whatever it is attached to may hit it; both lists are left together,
//     by the fiber.
// I2  mark_attached is set while an attachment is hit. The hitter sets `is_hit` first, then the mark; detach() takes the
//     mark back first and sets it again if another attachment is hit: whoever comes second sees the other.
// I3  Who has labels is not freed while the dump reads them: both hold labels_lock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/intrusive_list.hpp"
#include "runtime/base/time.hpp"
#include "runtime/cancel.hpp"
#include "runtime/labels.hpp"
#include "runtime/sched/fiber.hpp"

namespace reeve::sched {

struct Belongings {
    // A value of a FiberLocal.
    struct Local {
        std::uint64_t id;
        void* object;
        void (*destroy)(void* object);
    };

    Deadline bound;  // for every cancellable wait
    List<Attachment> attachments;  // innermost last
    std::vector<Local> locals;     // oldest first
    std::shared_ptr<const Labels> labels;
};

// Made if there are none yet. The owner.
Belongings& belongings_of(Parkable& who);
// Destroys locals, youngest first, and all the rest. The owner, in user code: destructors may wait. Idempotent.
void drop_belongings(Parkable& who) noexcept;

// A new fiber, by its maker: `given` on top of what it has inherited; name and labels of the fiber that makes it.
void add_labels(Fiber& fiber, const Labels& given);
void inherit(Fiber& fiber, const Fiber& maker);

// "[key=value key=value]", for the dump; cut off after a while. Any thread, in the runtime.
std::string labels_text(const Fiber& fiber);

}  // namespace reeve::sched
