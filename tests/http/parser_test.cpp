// The parser against the cases in tests/cases/http/*.txt: bytes in, events out; each case whole, byte by byte, and
// split in two at every position.
//
// A case is a "== name", options, the bytes between ">>>" and "<<<" (line ends of the file do not count; the
// escapes of C do, and {N*text} repeats), and the events expected. Options: "response", "head-answer" (to a HEAD request),
// "eof" (the peer ends its stream after the bytes), "limits TARGET HEAD FIELDS".

#include "http/parser.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "http/text.hpp"
#include "tests/support/catch.hpp"

using namespace std::string_literals;
using reeve::http::HeadLimits;
using reeve::http::MessageHead;
using reeve::http::Parser;

namespace {

struct Case {
    std::string name;
    std::string bytes;
    std::string expected;
    HeadLimits limits{8192, 32768, 100};
    Parser::Mode mode = Parser::Mode::request;
    bool head_answer = false;
    bool eof = false;
};

std::string unescape(const std::string& line) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '{') {
            const std::size_t star = line.find('*', i);
            const std::size_t close = line.find('}', i);
            if (star < close && close != std::string::npos) {
                const std::string piece = unescape(line.substr(star + 1, close - star - 1));
                for (int n = std::stoi(line.substr(i + 1, star - i - 1)); n > 0; --n) out += piece;
                i = close;
                continue;
            }
        }
        if (line[i] != '\\' || i + 1 == line.size()) {
            out += line[i];
            continue;
        }
        switch (const char c = line[++i]) {
            case 'r': out += '\r'; break;
            case 'n': out += '\n'; break;
            case 't': out += '\t'; break;
            case 'x':
                out += static_cast<char>(std::stoi(line.substr(i + 1, 2), nullptr, 16));
                i += 2;
                break;
            default: out += c;
        }
    }
    return out;
}

std::vector<Case> read_cases(const std::filesystem::path& file) {
    std::vector<Case> cases;
    enum { options, bytes, events } part = options;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("== ")) {
            cases.emplace_back().name = file.filename().string() + ": " + line.substr(3);
            part = options;
        } else if (part != bytes && (line.empty() || line.starts_with("#"))) {
            continue;
        } else if (line == ">>>") {
            part = bytes;
        } else if (line == "<<<") {
            part = events;
        } else if (part == bytes) {
            cases.back().bytes += unescape(line);
        } else if (part == events) {
            cases.back().expected += line + "\n";
        } else if (line == "response") {
            cases.back().mode = Parser::Mode::response;
        } else if (line == "head-answer") {
            cases.back().head_answer = true;
        } else if (line == "eof") {
            cases.back().eof = true;
        } else if (line.starts_with("limits ")) {
            HeadLimits& limits = cases.back().limits;
            std::istringstream(line.substr(7)) >> limits.target_bytes >> limits.head_bytes >> limits.header_fields;
        } else {
            FAIL("unknown line in " << file << ": " << line);
        }
    }
    return cases;
}

// Feeds bytes as they come and writes down what the parser says.
class Recorder {
public:
    explicit Recorder(const Case& c) : case_(c) { reset(); }

    void feed(std::string_view piece) {
        pending_ += piece;
        run();
    }

    std::string finish() {
        if (case_.eof && !broken_ && !parser_.is_untouched()) tell(parser_.finish());
        if (!parser_.is_untouched() && !broken_ && !case_.eof) log_ += "...\n";
        return log_;
    }

private:
    void reset() { parser_.reset(case_.mode, head_, case_.limits, case_.head_answer); }

    void run() {
        while (!broken_) {
            std::size_t consumed = 0;
            const Parser::Event event = parser_.parse(pending_, consumed);
            tell(event);
            pending_.erase(0, consumed);
            if (event == Parser::Event::need_more || (event == Parser::Event::end && pending_.empty())) return;
        }
    }

    void tell(Parser::Event event) {
        switch (event) {
            case Parser::Event::need_more: break;
            case Parser::Event::head: tell_head(); break;
            case Parser::Event::body:
                if (!in_body_) log_ += "body ";
                in_body_ = true;
                log_ += parser_.body();
                break;
            case Parser::Event::end:
                log_ += in_body_ ? "\nend\n" : "end\n";
                in_body_ = false;
                reset();
                break;
            case Parser::Event::error:
                log_ += (in_body_ ? "\nerror " : "error ") + std::to_string(parser_.error_status()) + "\n";
                if (parser_.error_reason().empty()) log_ += "without a reason\n";
                broken_ = true;
        }
    }

    void tell_head() {
        log_ += case_.mode == Parser::Mode::request ? std::string(head_.method) + " " + head_.target
                                                    : std::to_string(head_.status);
        log_ += " 1." + std::to_string(head_.version_minor) + (head_.keep_alive ? " keep-alive" : " close");
        if (head_.has_length) log_ += " length=" + std::to_string(head_.content_length);
        if (head_.is_chunked) log_ += " chunked";
        if (head_.has_body) log_ += " body";
        if (head_.expects_continue) log_ += " expect";
        log_ += "\n";
        for (const auto field : head_.headers) log_ += "  "s.append(field.name) + "=" + std::string(field.value) + "\n";
    }

    const Case& case_;
    MessageHead head_;
    Parser parser_;
    std::string pending_;
    std::string log_;
    bool broken_ = false;
    bool in_body_ = false;
};

std::vector<Case> all_cases() {
    const char* root = std::getenv("REEVE_SOURCE_ROOT");
    REQUIRE(root != nullptr);
    std::vector<Case> cases;
    for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(root) / "tests/cases/http"))
        if (file.path().extension() == ".txt")
            for (Case& c : read_cases(file.path())) cases.push_back(std::move(c));
    return cases;
}

std::string record_whole(const Case& c) {
    Recorder recorder(c);
    recorder.feed(c.bytes);
    return recorder.finish();
}

std::string record_byte_by_byte(const Case& c) {
    Recorder recorder(c);
    for (const char byte : c.bytes) recorder.feed({&byte, 1});
    return recorder.finish();
}

// Which of several faults is met first may depend on the pieces; that one is met must not.
std::string without_status(std::string log) {
    const std::size_t at = log.rfind("error ");
    if (at != std::string::npos) log.erase(at + 6);
    return log;
}

}  // namespace

TEST_CASE("parser: the cases, whole, byte by byte, and split everywhere", "[http][parser]") {
    const std::vector<Case> cases = all_cases();
    CHECK(cases.size() > 60);
    for (const Case& c : cases) {
        INFO(c.name);
        CHECK(record_whole(c) == c.expected);
        CHECK(record_byte_by_byte(c) == c.expected);
        for (std::size_t split = 1; split < std::min<std::size_t>(c.bytes.size(), 2000); ++split) {
            Recorder halves(c);
            halves.feed(std::string_view(c.bytes).substr(0, split));
            halves.feed(std::string_view(c.bytes).substr(split));
            const std::string log = halves.finish();
            if (log == c.expected) continue;
            INFO("split at " << split);
            CHECK(log == c.expected);
            break;
        }
    }
}

TEST_CASE("parser: damaged messages mean the same however they arrive", "[http][parser]") {
    std::minstd_rand random(20260101);
    const std::string_view poison("\r\n\t :;,/%0a\0\x80#", 14);
    for (Case& c : all_cases()) {
        if (c.bytes.empty() || c.bytes.size() > 2000) continue;
        const std::string original = c.bytes;
        for (int round = 0; round < 100; ++round) {
            c.bytes = original;
            for (int damage = 0; damage <= round % 3; ++damage) {
                const std::size_t at = random() % c.bytes.size();
                switch (random() % 3) {
                    case 0: c.bytes[at] = poison[random() % poison.size()]; break;
                    case 1: c.bytes.insert(at, 1, poison[random() % poison.size()]); break;
                    default: c.bytes.erase(at, 1);
                }
                if (c.bytes.empty()) c.bytes = "\r";
            }
            const std::string whole = without_status(record_whole(c));
            const std::string single = without_status(record_byte_by_byte(c));
            if (whole == single) continue;
            INFO(c.name << ", round " << round << ": " << c.bytes);
            CHECK(whole == single);
            break;
        }
    }
}
