// MessageHead: what the parser found out about one message before its body. Internal.
//
// A value that is cleared and reused, so that the second request of a connection allocates nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/headers.hpp"

namespace reeve::http {

struct MessageHead {
    std::string_view method;  // requests: a constant
    std::string target;       // requests: origin-form, or "*"
    Headers headers;
    std::uint64_t content_length = 0;
    int status = 0;  // responses
    std::uint8_t version_minor = 1;
    bool has_length = false;
    bool is_chunked = false;
    bool has_body = false;  // a body of at least one byte, or of unknown length, follows
    bool keep_alive = false;
    bool expects_continue = false;

    void clear() {
        method = {};
        target.clear();
        headers.clear();
        content_length = 0;
        status = 0;
        version_minor = 1;
        has_length = is_chunked = has_body = keep_alive = expects_continue = false;
    }
};

}  // namespace reeve::http
