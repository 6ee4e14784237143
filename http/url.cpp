#include <algorithm>

#include "http/client.hpp"
#include "http/text.hpp"
#include "net/address.hpp"

namespace reeve::http {

static std::uint16_t default_port(std::string_view scheme) {
    return scheme == "https" ? std::uint16_t{443} : std::uint16_t{80};
}

Result<Url> Url::parse(std::string_view text) {
    const Error malformed(Errc::malformed, "url");
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos) return malformed;
    Url url;
    url.scheme = text.substr(0, colon);
    std::transform(url.scheme.begin(), url.scheme.end(), url.scheme.begin(), to_lower);
    if (url.scheme != "http" && url.scheme != "https") return malformed;
    text.remove_prefix(colon + 3);

    const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
    const std::string_view authority = text.substr(0, end);
    // No user info: a password in a URL ends up in logs, and "host@evil" deceives the reader.
    if (authority.find('@') != std::string_view::npos) return malformed;
    const auto host_port = net::HostPort::parse(authority, default_port(url.scheme));
    if (!host_port || host_port->host.empty()) return malformed;
    url.host = host_port->host;
    url.port = host_port->port;
    std::transform(url.host.begin(), url.host.end(), url.host.begin(), to_lower);
    for (const char c : url.host)
        if (!has_class(c, k_target) || c == '/' || c == '?' || c == ',') return malformed;

    url.target = text.substr(end, text.find('#', end) - end);
    if (url.target.empty() || url.target.front() != '/') url.target.insert(0, 1, '/');
    if (!std::all_of(url.target.begin(), url.target.end(), [](char c) { return has_class(c, k_target); }))
        return malformed;
    return url;
}

static std::string bracketed(const std::string& host) {
    return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

std::string Url::authority() const {
    std::string out = bracketed(host);
    if (port != default_port(scheme)) {
        out += ':';
        append_number(out, port);
    }
    return out;
}

std::string Url::origin() const {
    std::string out = scheme + "://" + bracketed(host) + ":";
    append_number(out, port);
    return out;
}

}  // namespace reeve::http
