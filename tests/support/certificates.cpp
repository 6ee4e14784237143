#include "tests/support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "runtime/base/assert.hpp"

namespace reeve::test {

namespace {

struct Pair {
    X509* certificate;
    EVP_PKEY* key;
};

void add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    REEVE_CHECK(extension != nullptr);
    REEVE_CHECK(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

Pair make_pair(const char* common_name, const char* names, int days, const Pair* signer, bool is_authority) {
    static long serial = 1000;
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    REEVE_CHECK(key != nullptr);
    REEVE_CHECK(certificate != nullptr);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    constexpr long k_day = 24 * 3600;
    X509_gmtime_adj(X509_getm_notBefore(certificate), days < 0 ? 10 * days * k_day : -k_day);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * k_day);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
    X509* issuer = signer ? signer->certificate : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    add_extension(certificate, issuer, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    if (signer) add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
    if (is_authority) add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (names) add_extension(certificate, issuer, NID_subject_alt_name, names);
    REEVE_CHECK(X509_sign(certificate, signer ? signer->key : key, EVP_sha256()) > 0);
    return {certificate, key};
}

void write_certificate(const std::string& path, X509* certificate) {
    FILE* file = std::fopen(path.c_str(), "w");
    REEVE_CHECK(file != nullptr);
    REEVE_CHECK(PEM_write_X509(file, certificate) == 1);
    std::fclose(file);
}

void write_key(const std::string& path, EVP_PKEY* key) {
    FILE* file = std::fopen(path.c_str(), "w");
    REEVE_CHECK(file != nullptr);
    REEVE_CHECK(PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(file);
}

void free_pair(const Pair& pair) {
    X509_free(pair.certificate);
    EVP_PKEY_free(pair.key);
}

}  // namespace

struct Certificates::Authority {
    Pair pair;
};

Certificates::Certificates() {
    std::string pattern = (std::filesystem::temp_directory_path() / "reeve-certificates-XXXXXX").string();
    REEVE_CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    authority_ = directory_ + "/authority.pem";
    signer_ = new Authority{make_pair("reeve test authority", nullptr, 30, nullptr, true)};
    write_certificate(authority_, signer_->pair.certificate);
}

Certificates::~Certificates() {
    free_pair(signer_->pair);
    delete signer_;
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

CertificateFiles Certificates::signed_for(const std::string& names, int days) {
    return make(names, days, false);
}
CertificateFiles Certificates::self_signed_for(const std::string& names) { return make(names, 30, true); }

CertificateFiles Certificates::make(const std::string& names, int days, bool is_self_signed) {
    const Pair pair =
        make_pair("reeve test server", names.c_str(), days, is_self_signed ? nullptr : &signer_->pair, false);
    const std::string stem = directory_ + "/server-" + std::to_string(++made_);
    const CertificateFiles files{stem + ".pem", stem + ".key"};
    write_certificate(files.certificate, pair.certificate);
    write_key(files.key, pair.key);
    free_pair(pair);
    return files;
}

}  // namespace reeve::test
