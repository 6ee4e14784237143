#include "net/tls_errors.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <span>

namespace reeve::net {

namespace {

struct Meaning {
    long code;
    const char* text;
};

constexpr Meaning k_certificate_meanings[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "the peer's certificate has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "the peer's certificate is not valid yet (is this clock right?)"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "the peer's certificate is for another host name"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "the peer's certificate is for another IP address"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "the peer's certificate is self-signed and not trusted here"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "the peer's certificate comes from an authority not trusted here"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
     "the peer's certificate comes from an authority not trusted here (or it sends no intermediate "
     "certificate)"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
     "the peer's certificate comes from an authority not trusted here (or it sends no intermediate "
     "certificate)"},
    {X509_V_ERR_CERT_REVOKED, "the peer's certificate has been revoked"},
    {X509_V_ERR_INVALID_PURPOSE, "the peer's certificate is not meant for servers"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "the key of the peer's certificate is too short"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "the peer's certificate is signed with a weak digest"},
};

constexpr Meaning k_reason_meanings[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the peer does not answer with TLS (a plain port?)"},
    {SSL_R_HTTP_REQUEST, "the peer sent a plain HTTP request to a TLS port"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common with the peer"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "no TLS version in common with the peer (1.2 or 1.3 is needed)"},
    {SSL_R_NO_APPLICATION_PROTOCOL, "no application protocol (ALPN) in common with the peer"},
    {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, "no application protocol (ALPN) in common with the peer"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not trust this certificate's authority"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the peer refused this certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the peer says that this certificate has expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer refused this certificate"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the peer refused the handshake"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "no TLS version in common with the peer (1.2 or 1.3 is needed)"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record was damaged on its way"},
};

const char* meaning_of(std::span<const Meaning> meanings, long code) {
    for (const Meaning& meaning : meanings)
        if (meaning.code == code) return meaning.text;
    return nullptr;
}

// The reason strings live as long as the library.
const char* text_of(unsigned long entry) {
    if (ERR_GET_LIB(entry) == ERR_LIB_SSL)
        if (const char* text = meaning_of(k_reason_meanings, ERR_GET_REASON(entry))) return text;
    return ERR_reason_error_string(entry);
}

}  // namespace

TlsProblem take_tls_problem(const ssl_st* engine) {
    const unsigned long entry = ERR_peek_error();
    const char* text = nullptr;
    const char* detail = ERR_reason_error_string(entry);
    const bool is_certificate =
        ERR_GET_LIB(entry) == ERR_LIB_SSL && ERR_GET_REASON(entry) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (is_certificate) {
        const long verdict = SSL_get_verify_result(engine);
        detail = X509_verify_cert_error_string(verdict);
        text = meaning_of(k_certificate_meanings, verdict);
        if (!text) text = detail;
    } else if (entry != 0) {
        text = text_of(entry);
    }
    ERR_clear_error();
    if (!text) text = "the TLS engine failed";
    TlsProblem problem{Error(Errc::tls, text), text};
    if (detail && detail != text) problem.text.append(" (").append(detail).append(")");
    return problem;
}

Error take_tls_error(const char* operation) {
    const unsigned long entry = ERR_peek_error();
    const char* text = entry != 0 ? text_of(entry) : nullptr;
    ERR_clear_error();
    return Error(Errc::tls, text ? text : operation);
}

}  // namespace reeve::net
