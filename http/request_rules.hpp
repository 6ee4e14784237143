// The rules about a request that no single field shows: framing, Host, the form of the target. Internal.
//
// Idea. Everything here is grammatical and still refused, because two programs would understand it differently
// (Content-Length beside Transfer-Encoding, two Hosts, dot segments) or because we do not do it (other codings,
// CONNECT). The absolute form of a target is brought into the usual one. Never parks.
#pragma once

#include "http/head.hpp"

namespace reeve::http {

struct Refusal {
    int status = 0;  // 0: acceptable
    const char* reason = "";
};

Refusal check_request(MessageHead& head);

}  // namespace reeve::http
