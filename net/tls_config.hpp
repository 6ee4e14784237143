// TlsConfig::Impl: the engine's context behind a TlsConfig, shared by the streams made from it. Internal.
//
// Immutable once made, so streams on any thread use it at the same time; what the engine counts in it, it
// locks itself.
#pragma once

#include <string>

#include "net/tls.hpp"

struct ssl_ctx_st;

namespace reeve::net {

class TlsConfig::Impl {
public:
    Impl(ssl_ctx_st* context, bool is_server);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    ssl_ctx_st* const context;
    const bool is_server;
    bool verify = true;
    std::string alpn;  // as on the wire: each name after a byte with its length
};

}  // namespace reeve::net
