// Misuse of the synchronisation that can be noticed ends the process and says what it was.
#include <string>
#include <utility>

#include "tests/support/catch.hpp"
#include "tests/support/child.hpp"
#include "tests/support/reeve_test.hpp"

// Without a check its child says "alive", dies of something else, or is killed for waiting too long.
TEST_CASE("crash: misused synchronisation is fatal and named", "[crash]") {
    const std::pair<const char*, const char*> cases[] = {
        {"condition-without-lock", "wait for a Condition without holding"},
        {"shared-mutex-unlock", "unlock of a SharedMutex that is not locked"},
        {"shared-mutex-unlock-shared", "unlock_shared of a SharedMutex that is not locked shared"},
        {"semaphore-overflow", "Semaphore: more units released"},
        {"latch-below-zero", "Latch: counted down below 0"},
        {"barrier-of-nobody", "Barrier of 0 parties"},
        {"promise-twice", "a Promise was set twice"},
        {"promise-moved-from", "use of a Promise that was moved from"},
        {"future-taken-twice", "get() of a Future whose value was taken"},
    };
    for (const auto& [how, words] : cases) {
        const auto end = reeve::test::run_child({reeve::test::crash_program("sync_misuse"), how});
        INFO(how << ": " << end.err);
        CHECK_FALSE(end.timed_out);
        CHECK((end.signal != 0 || end.exit_status != 0));
        CHECK(end.err.find(words) != std::string::npos);
        CHECK(end.out.find("alive") == std::string::npos);
    }
}
