// resolve(): from a name to socket addresses.
//
// The C library's resolver blocks, so it runs on a pool thread (reeve::blocking) while the calling fiber is
// parked; IP addresses and "localhost" are answered at once. Deadline and cancellation end the wait, not the
// resolver: its pool thread stays busy until the C library gives up by itself. Never empty on success; in the
// order to be tried.
//
// May park; a plain thread blocks, its deadline only being looked at before. Errors: not_found, timed_out,
// cancelled, os.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "net/address.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve::net {

Result<std::vector<SocketAddress>> resolve(std::string_view host, std::uint16_t port = 0,
                                           Deadline deadline = {});

}  // namespace reeve::net
