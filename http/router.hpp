// Router: path patterns to handlers. Internal; the patterns are described in server.hpp.
//
// Idea. Patterns without names are found by one hash lookup of the path as it was sent; the others, and paths with
// escapes, by trying the patterns in order of precedence, which is fixed when they are added. Servers have tens of
// patterns, not thousands. Segments are compared after decoding, so %2F inside a segment never splits it.
//
// Filled before serving, by one thread; read by any number of fibers. Never parks. A pattern that is malformed, or is
// given twice for one method, is a broken program.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/request.hpp"
#include "http/server.hpp"

namespace reeve::http {

class Router {
public:
    // An empty method stands for all.
    void add(std::string_view method, std::string_view pattern, Handler handler);

    struct Match {
        const Handler* handler = nullptr;  // null: see allow
        std::string allow;                 // "GET, HEAD"; empty: no such path
    };
    // Fills the request's path values if a handler is found.
    [[nodiscard]] Match find(Request& request) const;
    // Every method that is handled anywhere, for "OPTIONS *".
    [[nodiscard]] std::string allow_all() const;

private:
    enum class Kind : unsigned char { literal, name, rest };  // in order of precedence
    struct Segment {
        Kind kind;
        std::string text;  // the literal, or the name
    };
    struct Route {
        std::string pattern;
        std::vector<Segment> segments;
        std::vector<std::pair<std::string, Handler>> handlers;  // by method
        [[nodiscard]] const Handler* handler_for(std::string_view method) const;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };

    static std::vector<Segment> parse(std::string_view pattern);
    static bool precedes(const Route& left, const Route& right);
    static bool matches(const Route& route, Request& request);
    static void allow_methods(const Route& route, std::string& out);

    std::vector<Route> routes_;  // in order of precedence
    std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> literal_;  // pattern -> index of routes_
};

}  // namespace reeve::http
