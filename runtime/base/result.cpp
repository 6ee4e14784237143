#include "runtime/base/result.hpp"

#include <cerrno>
#include <cstring>

namespace reeve {

const char* name_of(Errc code) {
    switch (code) {
        case Errc::eof: return "eof";
        case Errc::closed: return "closed";
        case Errc::timed_out: return "timed_out";
        case Errc::cancelled: return "cancelled";
        case Errc::refused: return "refused";
        case Errc::reset: return "reset";
        case Errc::too_large: return "too_large";
        case Errc::malformed: return "malformed";
        case Errc::tls: return "tls";
        case Errc::not_found: return "not_found";
        case Errc::os: return "os";
    }
    return "unknown";
}

Error Error::from_errno(int number, const char* operation) {
    Errc code = Errc::os;
    switch (number) {
        case ECONNREFUSED: code = Errc::refused; break;
        case ECONNRESET:
        case ECONNABORTED:
        case ENOTCONN:
        case EPIPE: code = Errc::reset; break;
        case ETIMEDOUT: code = Errc::timed_out; break;
        case ECANCELED: code = Errc::cancelled; break;
        case ENOENT: code = Errc::not_found; break;
        case EMSGSIZE: code = Errc::too_large; break;
        default: break;
    }
    return Error(code, operation, number);
}

std::string Error::text() const {
    std::string text = *operation_ ? std::string(operation_) + ": " : std::string();
    text += name_of(code_);
    if (number_ != 0) {
        char buffer[128];
        // The GNU strerror_r: returns the text, which may or may not be in the buffer.
        text += " (errno " + std::to_string(number_) + ", " + strerror_r(number_, buffer, sizeof buffer) + ")";
    }
    return text;
}

}  // namespace reeve
