// Certificates made for one test run: an authority and server certificates signed by it, as PEM files.
//
// The files live in a directory of their own that goes with the object. Making them blocks for some
// milliseconds.
#pragma once

#include <string>

namespace reeve::test {

struct CertificateFiles {
    std::string certificate;
    std::string key;
};

class Certificates {
public:
    Certificates();
    ~Certificates();
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;

    [[nodiscard]] const std::string& authority() const {
        return authority_;
    }  // a file for TlsClientOptions::ca_file

    // `names`: as in subjectAltName, "DNS:localhost,IP:127.0.0.1". Days may be negative: then it has expired.
    [[nodiscard]] CertificateFiles signed_for(const std::string& names, int days = 30);
    [[nodiscard]] CertificateFiles self_signed_for(const std::string& names);

private:
    struct Authority;

    [[nodiscard]] CertificateFiles make(const std::string& names, int days, bool is_self_signed);

    std::string directory_;
    std::string authority_;
    Authority* signer_;
    int made_ = 0;
};

}  // namespace reeve::test
