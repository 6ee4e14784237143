#include "http/router.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"

namespace reeve::http {

std::vector<Router::Segment> Router::parse(std::string_view pattern) {
    const std::string shown(pattern);
    if (!pattern.starts_with('/')) fatal("the route '%s' does not begin with '/'", shown.c_str());
    std::vector<Segment> segments;
    std::string_view rest = pattern.substr(1);
    for (bool last = false; !last;) {
        const std::size_t slash = rest.find('/');
        last = slash == std::string_view::npos;
        std::string_view piece = rest.substr(0, slash);
        if (!last) rest.remove_prefix(slash + 1);
        if (!piece.starts_with('{')) {
            segments.push_back({Kind::literal, std::string(piece)});
            continue;
        }
        if (!piece.ends_with('}')) fatal("the route '%s' has an open brace", shown.c_str());
        piece = piece.substr(1, piece.size() - 2);
        const bool takes_rest = piece.ends_with("...");
        if (takes_rest) piece.remove_suffix(3);
        if (takes_rest && !last) fatal("in the route '%s' something follows {...}", shown.c_str());
        if (piece.empty()) fatal("the route '%s' has a segment without a name", shown.c_str());
        segments.push_back({takes_rest ? Kind::rest : Kind::name, std::string(piece)});
    }
    return segments;
}

bool Router::precedes(const Route& left, const Route& right) {
    const std::size_t common = std::min(left.segments.size(), right.segments.size());
    for (std::size_t i = 0; i < common; ++i)
        if (left.segments[i].kind != right.segments[i].kind) return left.segments[i].kind < right.segments[i].kind;
    return left.segments.size() > right.segments.size();
}

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
    auto route = std::find_if(routes_.begin(), routes_.end(), [&](const Route& r) { return r.pattern == pattern; });
    if (route == routes_.end()) {
        Route added{std::string(pattern), parse(pattern), {}};
        route = routes_.insert(std::upper_bound(routes_.begin(), routes_.end(), added, precedes), std::move(added));
    }
    for (const auto& [known, unused] : route->handlers)
        if (known == method)
            fatal("the route '%.*s %s' is given twice", static_cast<int>(method.size()), method.data(),
                  route->pattern.c_str());
    route->handlers.emplace_back(method, std::move(handler));

    literal_.clear();
    for (std::size_t i = 0; i < routes_.size(); ++i) {
        const auto& segments = routes_[i].segments;
        if (std::all_of(segments.begin(), segments.end(), [](const Segment& s) { return s.kind == Kind::literal; }))
            literal_.emplace(routes_[i].pattern, i);
    }
}

const Handler* Router::Route::handler_for(std::string_view method) const {
    const Handler* fallback = nullptr;
    for (const auto& [known, handler] : handlers) {
        if (known == method) return &handler;
        if (known.empty() || (known == "GET" && method == "HEAD")) fallback = &handler;
    }
    return fallback;
}

bool Router::matches(const Route& route, Request& request) {
    request.path_values_.clear();
    std::string_view rest = request.path().substr(1);
    std::string decoded;
    for (std::size_t i = 0; i < route.segments.size(); ++i) {
        const Segment& segment = route.segments[i];
        const std::size_t slash = rest.find('/');
        const bool last = slash == std::string_view::npos;
        const std::string_view piece = segment.kind == Kind::rest ? rest : rest.substr(0, slash);
        if (!percent_decode(piece, decoded)) return false;
        if (segment.kind == Kind::literal && decoded != segment.text) return false;
        if (segment.kind == Kind::name && decoded.empty()) return false;
        if (segment.kind != Kind::literal) request.path_values_.push_back({segment.text, decoded});
        if (segment.kind == Kind::rest) return true;
        if (last) return i + 1 == route.segments.size();
        rest.remove_prefix(slash + 1);
    }
    return false;
}

void Router::allow_methods(const Route& route, std::string& out) {
    const auto add = [&](std::string_view method) {
        if ((", " + out + ",").find(", " + std::string(method) + ",") != std::string::npos) return;
        if (!out.empty()) out += ", ";
        out += method;
    };
    for (const auto& [method, unused] : route.handlers) {
        add(method);
        if (method == "GET") add("HEAD");
    }
}

Router::Match Router::find(Request& request) const {
    Match match;
    const std::string_view path = request.path();
    if (const auto exact = literal_.find(path); exact != literal_.end()) {
        match.handler = routes_[exact->second].handler_for(request.method());
        if (match.handler) return match;
    }
    if (!path.starts_with('/')) return match;
    std::string allow;
    bool exists = false;
    for (const Route& route : routes_) {
        // A literal pattern can match a path that is not it only through escapes, or has matched above.
        if (!matches(route, request)) continue;
        match.handler = route.handler_for(request.method());
        if (match.handler) return match;
        allow_methods(route, allow);
        // A catch-all for OPTIONS alone (cross-origin checks) does not make every path exist.
        for (const auto& [method, unused] : route.handlers) exists = exists || method != "OPTIONS";
    }
    request.path_values_.clear();
    if (!exists) return match;
    if ((", " + allow + ",").find(", OPTIONS,") == std::string::npos) allow += ", OPTIONS";
    match.allow = std::move(allow);
    return match;
}

std::string Router::allow_all() const {
    std::string allow = "OPTIONS";
    for (const Route& route : routes_) {
        std::string own;
        allow_methods(route, own);
        for (std::size_t at = 0; at < own.size();) {
            const std::size_t comma = std::min(own.find(", ", at), own.size());
            const std::string method = own.substr(at, comma - at);
            if (!method.empty() && (", " + allow + ",").find(", " + method + ",") == std::string::npos)
                allow += ", " + method;
            at = comma + 2;
        }
    }
    return allow;
}

}  // namespace reeve::http
