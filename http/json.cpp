#include "http/json.hpp"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <cmath>
#include <utility>

#include "http/text.hpp"

namespace reeve::http {

using Node = rapidjson::Value;

static const Node& node_of(const void* node) { return *static_cast<const Node*>(node); }

static std::string_view text_of(const Node& node) { return {node.GetString(), node.GetStringLength()}; }

Json::Kind Json::kind() const {
    if (!node_) return Kind::missing;
    switch (node_of(node_).GetType()) {
        case rapidjson::kNullType: return Kind::null;
        case rapidjson::kFalseType:
        case rapidjson::kTrueType: return Kind::boolean;
        case rapidjson::kNumberType: return Kind::number;
        case rapidjson::kStringType: return Kind::string;
        case rapidjson::kArrayType: return Kind::array;
        case rapidjson::kObjectType: return Kind::object;
    }
    return Kind::missing;
}

std::optional<std::string_view> Json::as_string() const {
    if (!is_string()) return std::nullopt;
    return text_of(node_of(node_));
}

std::optional<std::int64_t> Json::as_int() const {
    if (!is_number()) return std::nullopt;
    const Node& node = node_of(node_);
    if (node.IsInt64()) return node.GetInt64();
    // 5.0 is an integer to everybody but the parser.
    if (node.IsDouble()) {
        const double value = node.GetDouble();
        if (value == std::floor(value) && std::fabs(value) < 9e15) return static_cast<std::int64_t>(value);
    }
    return std::nullopt;
}

std::optional<double> Json::as_double() const {
    if (!is_number()) return std::nullopt;
    return node_of(node_).GetDouble();
}

std::optional<bool> Json::as_bool() const {
    if (!is_bool()) return std::nullopt;
    return node_of(node_).GetBool();
}

std::size_t Json::size() const {
    if (is_array()) return node_of(node_).Size();
    if (is_object()) return node_of(node_).MemberCount();
    return 0;
}

Json Json::operator[](std::string_view name) const {
    if (!is_object()) return {};
    for (auto member = node_of(node_).MemberBegin(); member != node_of(node_).MemberEnd(); ++member)
        if (text_of(member->name) == name) return Json(&member->value);
    return {};
}

Json Json::operator[](std::size_t index) const {
    if (!is_array() || index >= size()) return {};
    return Json(&node_of(node_)[static_cast<rapidjson::SizeType>(index)]);
}

std::string_view Json::member_name(std::size_t index) const {
    if (!is_object() || index >= size()) return {};
    return text_of((node_of(node_).MemberBegin() + static_cast<std::ptrdiff_t>(index))->name);
}

Json Json::member_value(std::size_t index) const {
    if (!is_object() || index >= size()) return {};
    return Json(&(node_of(node_).MemberBegin() + static_cast<std::ptrdiff_t>(index))->value);
}

// Recursive, but only as deep as the parser let the text be.
static void append_node(std::string& out, const Node& node) {
    switch (node.GetType()) {
        case rapidjson::kNullType: out += "null"; break;
        case rapidjson::kFalseType: out += "false"; break;
        case rapidjson::kTrueType: out += "true"; break;
        case rapidjson::kStringType: append_json_string(out, text_of(node)); break;
        case rapidjson::kNumberType:
            if (node.IsInt64())
                append_number(out, node.GetInt64());
            else if (node.IsUint64())
                append_number(out, node.GetUint64());
            else
                JsonWriter(out).number(node.GetDouble());
            break;
        case rapidjson::kArrayType: {
            out.push_back('[');
            bool comma = false;
            for (auto element = node.Begin(); element != node.End(); ++element) {
                if (std::exchange(comma, true)) out.push_back(',');
                append_node(out, *element);
            }
            out.push_back(']');
            break;
        }
        case rapidjson::kObjectType: {
            out.push_back('{');
            bool comma = false;
            for (auto member = node.MemberBegin(); member != node.MemberEnd(); ++member) {
                if (std::exchange(comma, true)) out.push_back(',');
                append_json_string(out, text_of(member->name));
                out.push_back(':');
                append_node(out, member->value);
            }
            out.push_back('}');
            break;
        }
    }
}

void Json::append_to(std::string& out) const {
    if (node_)
        append_node(out, node_of(node_));
    else
        out += "null";
}

std::string Json::text() const {
    std::string out;
    append_to(out);
    return out;
}

struct JsonDocument::State {
    rapidjson::Document document;
};

namespace {

constexpr unsigned k_parse_flags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;

// Passes the parser's events on to the document, and stops at the depth limit.
class DepthLimiter {
public:
    DepthLimiter(rapidjson::Document& document, std::size_t depth_max) : document_(document), depth_max_(depth_max) {}

    bool Null() { return document_.Null(); }
    bool Bool(bool value) { return document_.Bool(value); }
    bool Int(int value) { return document_.Int(value); }
    bool Uint(unsigned value) { return document_.Uint(value); }
    bool Int64(std::int64_t value) { return document_.Int64(value); }
    bool Uint64(std::uint64_t value) { return document_.Uint64(value); }
    bool Double(double value) { return document_.Double(value); }
    bool RawNumber(const char* text, rapidjson::SizeType bytes, bool copy) {
        return document_.RawNumber(text, bytes, copy);
    }
    bool String(const char* text, rapidjson::SizeType bytes, bool copy) { return document_.String(text, bytes, copy); }
    bool Key(const char* text, rapidjson::SizeType bytes, bool copy) { return document_.Key(text, bytes, copy); }
    bool StartObject() { return ++depth_ <= depth_max_ && document_.StartObject(); }
    bool EndObject(rapidjson::SizeType members) { return --depth_, document_.EndObject(members); }
    bool StartArray() { return ++depth_ <= depth_max_ && document_.StartArray(); }
    bool EndArray(rapidjson::SizeType elements) { return --depth_, document_.EndArray(elements); }

private:
    rapidjson::Document& document_;
    std::size_t depth_max_;
    std::size_t depth_ = 0;
};

// Document::Populate() wants a callable that drives its handler.
struct Generator {
    std::string_view text;
    std::size_t depth_max;
    rapidjson::ParseResult result{};

    bool operator()(rapidjson::Document& document) {
        DepthLimiter handler(document, depth_max);
        rapidjson::MemoryStream bytes(text.data(), text.size());
        rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> input(bytes);
        rapidjson::Reader reader;
        result = reader.Parse<k_parse_flags>(input, handler);
        return !result.IsError();
    }
};

}  // namespace

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string* message, std::size_t depth_max) {
    auto state = std::make_unique<State>();
    Generator generator{text, depth_max};
    state->document.Populate(generator);
    if (generator.result.IsError()) {
        const bool too_deep = generator.result.Code() == rapidjson::kParseErrorTermination;
        if (message) {
            *message = too_deep ? "Nested too deeply." : rapidjson::GetParseError_En(generator.result.Code());
            if (message->ends_with('.')) message->pop_back();
            *message += " (at byte ";
            append_number(*message, generator.result.Offset());
            *message += ")";
        }
        return Error(too_deep ? Errc::too_large : Errc::malformed, "json");
    }
    return JsonDocument(std::move(state));
}

JsonDocument::JsonDocument(std::unique_ptr<State> state) : state_(std::move(state)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

Json JsonDocument::root() const { return state_ ? Json(static_cast<const Node*>(&state_->document)) : Json(); }

}  // namespace reeve::http
