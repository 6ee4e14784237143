// wait_until_parked: the moment from which a test may rely on others standing in line, without sleeping and hoping.
//
//     auto waiter = reeve::spawn([&] { mutex.lock(); ... });
//     wait_until_parked("mutex", 1);
//
// Who is parked has been put into its queue before. The watchdog of the run ends a test that waits in vain.
#pragma once

#include <cstddef>
#include <string_view>

namespace reeve::test {

// Returns once at least `count` fibers of the run are parked with this reason, as a dump names it. Fibers only.
void wait_until_parked(std::string_view reason, std::size_t count);

}  // namespace reeve::test
