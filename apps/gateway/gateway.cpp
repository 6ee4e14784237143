#include "apps/gateway/gateway.hpp"

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>

#include "apps/gateway/chat_request.hpp"
#include "http/json.hpp"
#include "http/message.hpp"
#include "runtime/go.hpp"

namespace reeve::gateway {

using http::Request;
using http::Response;

static void count(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

// What callers may name their requests: short, and safe in any log.
static bool is_request_id(std::string_view text) {
    constexpr std::size_t k_bytes_max = 128;
    const auto is_allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.' || c == ':';
    };
    return !text.empty() && text.size() <= k_bytes_max && std::all_of(text.begin(), text.end(), is_allowed);
}

static std::string hex16(std::uint64_t value) {
    std::string out(16, '0');
    for (std::size_t i = 16; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
    return out;
}

static Problem unknown_model(std::string_view name) {
    return {404, "The model '" + std::string(name) + "' does not exist.", "invalid_request_error", "model",
            "model_not_found"};
}

static void append_model(http::JsonWriter& writer, std::string_view id, std::int64_t created) {
    writer.begin_object().member("id", std::string(id)).member("object", "model").member("created", created);
    writer.member("owned_by", "reeve").end_object();
}

Gateway::Gateway(std::uint64_t seed, const Profile& profile, std::unique_ptr<Forwarder> forwarder)
    : tag_seed_((std::uint64_t{std::random_device()()} << 32) | std::random_device()()),
      started_seconds_(std::time(nullptr)),
      simulator_(seed, profile),
      forwarder_(std::move(forwarder)) {}

std::vector<std::string> Gateway::model_names() const {
    std::vector<std::string> names;
    if (!forwarder_)
        for (const SimulatedModel& model : simulator_.models()) names.push_back(model.name);
    return names;
}

std::string Gateway::next_tag() {
    return hex16(Random::combine(tag_seed_, tags_.fetch_add(1, std::memory_order_relaxed)));
}

void Gateway::add_routes(http::Server& server) {
    using Route = void (Gateway::*)(Request&, Response&);
    const auto route = [&](std::string_view method, std::string_view pattern, Route handler) {
        server.handle(method, pattern, [this, handler](Request& request, Response& response) {
            (this->*handler)(request, response);
        });
    };
    route("POST", "/v1/chat/completions", &Gateway::chat);
    route("GET", "/v1/models", &Gateway::list_models);
    route("GET", "/v1/models/{id...}", &Gateway::show_model);
    route("GET", "/healthz", &Gateway::show_health);
    route("OPTIONS", "/{path...}", &Gateway::allow_origin);
}

std::string Gateway::begin(const Request& request, Response& response) {
    const std::string_view given = request.header("X-Request-Id");
    std::string id = is_request_id(given) ? std::string(given) : "req_" + next_tag();
    response.set_header("X-Request-Id", id);
    response.set_header("OpenAI-Version", "2020-10-01");
    response.set_header("Access-Control-Allow-Origin", "*");
    // Covers everything, because answers to any origin never go with cookies.
    response.set_header("Access-Control-Expose-Headers", "*");
    return id;
}

void Gateway::refuse(Response& response, const Problem& problem) {
    count(counters_.refused);
    response.error(problem.status, problem.message, problem.type, problem.param, problem.code);
}

void Gateway::chat(Request& request, Response& response) {
    const std::int64_t started_ns = now_ns();
    const std::string request_id = begin(request, response);
    auto body = request.take_body();
    if (!body) return;  // the server answers
    if (forwarder_)
        chat_forwarded(request, response, std::move(body).value(), request_id, started_ns);
    else
        chat_simulated(request, response, *body, started_ns);
}

void Gateway::chat_simulated(Request& request, Response& response, const std::string& body, std::int64_t started_ns) {
    Problem problem;
    const auto parsed = parse_chat_request(body, problem);
    if (!parsed) return refuse(response, problem);
    const SimulatedModel* model = simulator_.find(parsed->model);
    if (!model) return refuse(response, unknown_model(parsed->model));
    const auto fault = fault_of(request.header("X-Reeve-Fault"));
    if (!fault)
        return refuse(response,
                      {400, "Nobody knows this fault.", "invalid_request_error", "x-reeve-fault", "invalid_value"});

    const std::string tag = next_tag();
    const CompletionId who{"chatcmpl-" + tag, std::time(nullptr), parsed->model};
    run_chat(response, tag, started_ns,
             [&](const AnswerChannel& out) { simulator_.answer(*parsed, *model, who, *fault, out); });
}

void Gateway::chat_forwarded(Request& request, Response& response, std::string body, const std::string& request_id,
                             std::int64_t started_ns) {
    Problem problem;
    const auto is_stream = parse_stream_flag(body, problem);
    if (!is_stream) return refuse(response, problem);
    run_chat(response, next_tag(), started_ns, [&](const AnswerChannel& out) {
        forwarder_->chat(request.headers(), request_id, std::move(body), *is_stream, out);
    });
}

template <class Produce>
void Gateway::run_chat(Response& response, const std::string& tag, std::int64_t started_ns, Produce&& produce) {
    struct ClosesParts {
        const AnswerChannel& parts;
        ~ClosesParts() { parts.close(); }
    };
    count(counters_.requests);
    const AnswerChannel parts(k_answer_parts_ahead);
    // The two fibers wait for each other's end only through the channel, so each closes it, however it ends: by
    // returning, by cancellation, or by an exception.
    auto fiber = spawn(FiberOptions{.name = "chat-" + tag, .stack_bytes = 0}, [&] {
        const ClosesParts closes{parts};
        produce(parts);
    });
    Delivery delivery;
    {
        const ClosesParts closes{parts};
        delivery = deliver(parts, response, started_ns);
    }
    if (delivery == Delivery::left) fiber.cancel();
    fiber.join();
    count(delivery == Delivery::complete ? counters_.completed : counters_.cancelled);
}

// An answer of the upstream's, by the connection's own fiber.
static void send_part(Response& response, const AnswerPart& part) {
    for (const auto& [name, value] : part.headers) response.set_header(name, value);
    response.send(part.status, {{"Content-Type", part.content_type}}, part.text);
}

void Gateway::list_models(Request& request, Response& response) {
    const std::string id = begin(request, response);
    if (forwarder_) return send_part(response, forwarder_->get("/models", request.headers(), id));
    std::string out;
    http::JsonWriter writer(out);
    writer.begin_object().member("object", "list").key("data").begin_array();
    for (const SimulatedModel& model : simulator_.models()) append_model(writer, model.name, started_seconds_);
    writer.end_array().end_object();
    response.json(200, out);
}

void Gateway::show_model(Request& request, Response& response) {
    const std::string id = begin(request, response);
    const std::string_view name = request.path_value("id");
    if (forwarder_) {
        // As it was sent, so that its escapes arrive unchanged.
        const std::string_view path = request.path().substr(std::string_view("/v1").size());
        return send_part(response, forwarder_->get(path, request.headers(), id));
    }
    const SimulatedModel* model = simulator_.find(name);
    if (!model) {
        const Problem problem = unknown_model(name);
        return response.error(problem.status, problem.message, problem.type, problem.param, problem.code);
    }
    std::string out;
    http::JsonWriter writer(out);
    append_model(writer, model->name, started_seconds_);
    response.json(200, out);
}

void Gateway::show_health(Request& request, Response& response) {
    begin(request, response);
    const auto value = [](const std::atomic<std::uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    std::string out;
    http::JsonWriter writer(out);
    writer.begin_object().member("status", "ok").member("requests", value(counters_.requests));
    writer.member("completed", value(counters_.completed)).member("cancelled", value(counters_.cancelled));
    writer.member("refused", value(counters_.refused)).end_object();
    response.json(200, out);
}

void Gateway::allow_origin(Request& request, Response& response) {
    begin(request, response);
    const std::string_view wanted = request.header("Access-Control-Request-Headers");
    response.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    response.set_header("Access-Control-Allow-Headers", wanted.empty() ? "authorization, content-type" : wanted);
    response.set_header("Access-Control-Max-Age", "86400");
    response.send(204, {}, {});
}

}  // namespace reeve::gateway
