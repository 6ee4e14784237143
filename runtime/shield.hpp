// Shield: a cleanup that must wait although its fiber is cancelled.
//
// Idea. Trio's shielded scope, asyncio's shield: while a Shield lives, neither a cancellation (of whatever kind: a Join, a
// scope, a token, the end of run()) nor a deadline from outside ends the calling fiber's waits. They count again afterwards.
//
//     const reeve::Shield shield(2s);   // say goodbye to the peer, but not for ever
//     (void)stream.write_all(farewell);
//
// With a limit every wait inside ends with Errc::timed_out once that has passed. with_deadline inside a shield works as ever;
// with_cancel inside one takes effect only when the shield ends; Scope, gather and race can be used, and cancel their own
// fibers as ever. Nests; an inner shield replaces the limit of the outer one. The grace after main returned
// (Config::shutdown_grace) bounds a shielded fiber, too.
//
// Belongs on the stack of the fiber or plain thread that makes it. Never parks. Not signal-safe.
#pragma once

#include "runtime/with_deadline.hpp"

namespace reeve {

class [[nodiscard]] Shield {
public:
    explicit Shield(Deadline limit = {});
    ~Shield();
    Shield(const Shield&) = delete;
    Shield& operator=(const Shield&) = delete;

private:
    sched::DeadlineGuard limit_;
    bool was_shielded_;
};

}  // namespace reeve
