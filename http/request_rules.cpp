#include "http/request_rules.hpp"

#include <algorithm>
#include <string_view>

#include "http/text.hpp"

namespace reeve::http {

// What the fields say together about the body (RFC 9112, section 6).
static Refusal check_framing(MessageHead& head) {
    std::size_t lengths = 0;
    std::size_t codings = 0;
    for (const Headers::Field field : head.headers) {
        if (equal_ignoring_case(field.name, "content-length")) {
            ++lengths;
            if (field.value.empty() || (field.value.size() > 1 && field.value.front() == '0'))
                return Refusal{400, "Content-Length is malformed."};
        } else if (equal_ignoring_case(field.name, "transfer-encoding")) {
            ++codings;
            if (field.value.empty()) return Refusal{400, "Transfer-Encoding is empty."};
            if (!equal_ignoring_case(field.value, "chunked"))
                return Refusal{501, "The only supported Transfer-Encoding is chunked."};
        } else if (equal_ignoring_case(field.name, "expect")) {
            if (!equal_ignoring_case(field.value, "100-continue"))
                return Refusal{417, "The only supported Expect is 100-continue."};
            head.expects_continue = head.version_minor >= 1 && head.has_body;
        }
    }
    if (lengths > 1) return Refusal{400, "Content-Length is given more than once."};
    if (codings > 1) return Refusal{400, "Transfer-Encoding is given more than once."};
    if (lengths > 0 && codings > 0)
        return Refusal{400, "Content-Length and Transfer-Encoding exclude each other."};
    if (codings > 0 && head.version_minor == 0)
        return Refusal{400, "HTTP/1.0 knows no Transfer-Encoding."};
    const bool wants_body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
    if (wants_body && head.version_minor == 0 && lengths == 0)
        return Refusal{411, "HTTP/1.0 needs a Content-Length here."};
    return {};
}

// host[:port], where host is a name, an IPv4 address, or an IPv6 address in brackets.
static bool is_authority(std::string_view text) {
    if (text.empty()) return false;
    std::size_t host_end = 0;
    if (text.front() == '[') {
        host_end = text.find(']');
        if (host_end == std::string_view::npos || host_end == 1) return false;
        for (const char c : text.substr(1, host_end - 1))
            if (!has_class(c, k_hex) && c != ':' && c != '.') return false;
        ++host_end;
    } else {
        while (host_end < text.size() &&
               (has_class(text[host_end], k_unreserved) ||
                std::string_view("%!$&'()*+;=").find(text[host_end]) != std::string_view::npos))
            ++host_end;
        if (host_end == 0) return false;
    }
    if (host_end == text.size()) return true;
    if (text[host_end] != ':' || text.size() - host_end > 6) return false;
    for (const char c : text.substr(host_end + 1))
        if (c < '0' || c > '9') return false;
    return true;
}

static Refusal check_host(const MessageHead& head) {
    const std::size_t hosts = head.headers.count("host");
    if (hosts == 0 && head.version_minor == 0) return {};
    if (hosts != 1) return Refusal{400, hosts == 0 ? "The Host header is missing." : "Host is given more than once."};
    if (!is_authority(head.headers.value_or("host"))) return Refusal{400, "The Host header is malformed."};
    return {};
}

// Whether "." or ".." stands between slashes, spelled plainly or escaped. Such paths mean different things to
// different programs, and no client sends them by accident: it resolves them first.
static bool has_dot_segment(std::string_view path) {
    std::size_t dots = 0;
    bool plain = false;  // the segment has something else
    for (std::size_t i = 0; i <= path.size(); ++i) {
        if (i == path.size() || path[i] == '/') {
            if (!plain && (dots == 1 || dots == 2)) return true;
            dots = 0;
            plain = false;
        } else if (path[i] == '.') {
            ++dots;
        } else if (path.size() - i >= 3 && path[i] == '%' && path[i + 1] == '2' && to_lower(path[i + 2]) == 'e') {
            ++dots;
            i += 2;
        } else {
            plain = true;
        }
    }
    return false;
}

static Refusal check_target(MessageHead& head) {
    std::string& target = head.target;
    if (head.method == "CONNECT") return Refusal{501, "CONNECT is not supported."};
    if (target == "*")
        return head.method == "OPTIONS" ? Refusal{} : Refusal{400, "The target * is for OPTIONS only."};
    if (target.front() != '/') {
        // The absolute form that proxies are sent: accepted when it names the same host.
        std::size_t start = 0;
        if (target.size() > 7 && equal_ignoring_case(std::string_view(target).substr(0, 7), "http://")) start = 7;
        if (target.size() > 8 && equal_ignoring_case(std::string_view(target).substr(0, 8), "https://")) start = 8;
        if (start == 0) return Refusal{400, "The request target is malformed."};
        const std::size_t end = std::min(target.find_first_of("/?", start), target.size());
        const std::string_view authority = std::string_view(target).substr(start, end - start);
        if (!is_authority(authority) || (head.headers.contains("host") &&
                                         !equal_ignoring_case(authority, head.headers.value_or("host"))))
            return Refusal{400, "The request target and Host disagree."};
        target.erase(0, end);
        if (target.empty() || target.front() != '/') target.insert(0, 1, '/');
    }
    const std::string_view path = std::string_view(target).substr(0, target.find('?'));
    for (std::size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 1)) {
        if (path.size() - i < 3 || hex_value(path[i + 1]) < 0 || hex_value(path[i + 2]) < 0)
            return Refusal{400, "The path has a broken escape."};
        if (path[i + 1] == '0' && path[i + 2] == '0') return Refusal{400, "The path has a NUL."};
    }
    const bool may_have_dots = path.find("/.") != std::string_view::npos || path.find('%') != std::string_view::npos;
    if (may_have_dots && has_dot_segment(path)) return Refusal{400, "The path has a dot segment."};
    return {};
}

Refusal check_request(MessageHead& head) {
    Refusal refusal = check_framing(head);
    if (refusal.status == 0) refusal = check_host(head);
    if (refusal.status == 0) refusal = check_target(head);
    return refusal;
}

}  // namespace reeve::http
