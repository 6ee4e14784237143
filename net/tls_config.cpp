#include "net/tls_config.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <unistd.h>

#include <cerrno>

#include "net/tls_errors.hpp"

namespace reeve::net {

namespace {

int on_alpn(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes, const unsigned char* offered,
            unsigned offered_bytes, void* argument) {
    const std::string& ours = static_cast<const TlsConfig::Impl*>(argument)->alpn;
    unsigned char* match = nullptr;
    const int verdict =
        SSL_select_next_proto(&match, chosen_bytes, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), offered, offered_bytes);
    if (verdict != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = match;
    return SSL_TLSEXT_ERR_OK;
}

Result<std::string> alpn_on_the_wire(const std::vector<std::string>& names) {
    std::string wire;
    for (const std::string& name : names) {
        if (name.empty() || name.size() > 255)
            return Error(Errc::malformed, "tls: an ALPN name has 1 to 255 bytes");
        wire += static_cast<char>(name.size());
        wire += name;
    }
    return wire;
}

// The engine's own words for a missing file are useless.
Result<void> check_readable(const std::string& file, const char* operation) {
    if (::access(file.c_str(), R_OK) == 0) return {};
    return Error::from_errno(errno, operation);
}

Result<std::shared_ptr<TlsConfig::Impl>> make_impl(bool is_server, const std::vector<std::string>& alpn) {
    ERR_clear_error();
    const Result<std::string> wire = alpn_on_the_wire(alpn);
    if (!wire) return wire.error();
    SSL_CTX* context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (!context) return take_tls_error("no context");
    auto impl = std::make_shared<TlsConfig::Impl>(context, is_server);
    impl->alpn = *wire;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // Without renegotiation a read never has to write, nor a write to read, once the handshake is done.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    // Resumption goes by tickets; a cache in memory would be a lock shared by all connections.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return impl;
}

}  // namespace

TlsConfig::Impl::Impl(ssl_ctx_st* made, bool server) : context(made), is_server(server) {}
TlsConfig::Impl::~Impl() { SSL_CTX_free(context); }

Result<TlsConfig> TlsConfig::server(const TlsServerOptions& options) {
    if (Result<void> ok = check_readable(options.certificate_file, "tls: certificate file"); !ok)
        return ok.error();
    if (Result<void> ok = check_readable(options.key_file, "tls: key file"); !ok) return ok.error();
    auto impl = make_impl(true, options.alpn);
    if (!impl) return impl.error();
    SSL_CTX* context = (*impl)->context;
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
        ERR_clear_error();
        return Error(Errc::tls, "the certificate file does not hold a PEM certificate");
    }
    if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
        const unsigned long entry = ERR_peek_last_error();
        const bool is_mismatch =
            ERR_GET_LIB(entry) == ERR_LIB_X509 && ERR_GET_REASON(entry) == X509_R_KEY_VALUES_MISMATCH;
        ERR_clear_error();
        if (is_mismatch) return Error(Errc::tls, "the key does not belong to the certificate");
        return Error(Errc::tls, "the key file does not hold an unencrypted PEM key");
    }
    if (SSL_CTX_check_private_key(context) != 1)
        return take_tls_error("the key does not belong to the certificate");
    const unsigned char session_context[] = "reeve";
    SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1);
    if (!(*impl)->alpn.empty()) SSL_CTX_set_alpn_select_cb(context, on_alpn, impl->get());
    return TlsConfig(std::move(*impl));
}

Result<TlsConfig> TlsConfig::client(const TlsClientOptions& options) {
    auto impl = make_impl(false, options.alpn);
    if (!impl) return impl.error();
    SSL_CTX* context = (*impl)->context;
    (*impl)->verify = options.verify;
    SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (options.trust_system && SSL_CTX_set_default_verify_paths(context) != 1)
        return take_tls_error("the system's trust store");
    if (!options.ca_file.empty()) {
        if (Result<void> ok = check_readable(options.ca_file, "tls: file of authorities"); !ok)
            return ok.error();
        if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
            ERR_clear_error();
            return Error(Errc::tls, "the file of authorities does not hold PEM certificates");
        }
    }
    const std::string& alpn = (*impl)->alpn;
    // Unlike its siblings this one returns 0 for success.
    if (!alpn.empty() && SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn.data()),
                                                 static_cast<unsigned>(alpn.size())) != 0)
        return take_tls_error("ALPN names");
    ERR_clear_error();
    return TlsConfig(std::move(*impl));
}

}  // namespace reeve::net
