// reeve-fanout [--url U]: nested LLM calls, once one after the other, once gathered; with both timelines.
//
//     outline ──┬── chapter 1          one call, five that need its answer,
//               ├── ...                and one that needs nothing
//               └── chapter 5
//     title
//
// A call is an ordinary function that returns the answer. Sequentially the calls add up; gathered, the whole
// takes as long as the longest chain of calls that need each other. Exit status 0 only if every call
// succeeded.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/http.hpp"
#include "runtime/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using reeve::http::JsonDocument;

constexpr std::size_t k_chapters = 5;
constexpr int k_bar_columns = 60;
constexpr int k_max_tokens = 24;
constexpr reeve::Duration k_call_limit = 2min;

struct Call {
    std::string name;
    std::int64_t start_ns = 0;
    std::int64_t end_ns = 0;
    std::string answer;
    std::string problem;  // empty: it succeeded

    [[nodiscard]] double ms() const { return static_cast<double>(end_ns - start_ns) / 1e6; }
};

struct Timeline {
    std::int64_t start_ns = 0;
    std::int64_t end_ns = 0;
    Call outline;
    std::vector<Call> chapters;
    Call title;

    [[nodiscard]] double ms() const { return static_cast<double>(end_ns - start_ns) / 1e6; }
    [[nodiscard]] double longest_chain_ms() const {
        double longest_chapter_ms = 0;
        for (const Call& chapter : chapters) longest_chapter_ms = std::max(longest_chapter_ms, chapter.ms());
        return std::max(outline.ms() + longest_chapter_ms, title.ms());
    }
    [[nodiscard]] std::vector<const Call*> calls() const {
        std::vector<const Call*> all{&outline};
        for (const Call& chapter : chapters) all.push_back(&chapter);
        all.push_back(&title);
        return all;
    }
};

class Model {
public:
    explicit Model(std::string base_url) : base_url_(std::move(base_url)) {}

    // Asks the server which models it has and takes the first.
    reeve::Result<void> choose() {
        auto response = client_.get(base_url_ + "/v1/models", {}, 10s);
        if (!response) return response.error();
        const auto body = response->body(10s);
        if (!body) return body.error();
        const auto document = JsonDocument::parse(*body);
        if (!document || response->status() != 200)
            return reeve::Error(reeve::Errc::malformed, "GET /v1/models");
        name_ = document->root()["data"][0]["id"].string_or("");
        if (name_.empty()) return reeve::Error(reeve::Errc::not_found, "GET /v1/models: it has no model");
        return {};
    }

    [[nodiscard]] const std::string& name() const { return name_; }

    Call ask(std::string name, const std::string& prompt) {
        Call call;
        call.name = std::move(name);
        call.start_ns = reeve::now_ns();
        complete(prompt, call);
        call.end_ns = reeve::now_ns();
        return call;
    }

private:
    void complete(const std::string& prompt, Call& call) {
        std::string request;
        reeve::http::JsonWriter(request)
            .begin_object()
            .member("model", name_)
            .member("max_tokens", k_max_tokens)
            .key("messages")
            .begin_array()
            .begin_object()
            .member("role", "user")
            .member("content", prompt)
            .end_object()
            .end_array()
            .end_object();
        reeve::http::Headers headers;
        headers.set("Content-Type", "application/json");
        const reeve::Deadline deadline = reeve::Deadline::in(k_call_limit);
        auto response = client_.post(base_url_ + "/v1/chat/completions", request, headers, deadline);
        if (!response) return void(call.problem = response.error().text());
        const auto body = response->body(deadline);
        if (!body) return void(call.problem = body.error().text());
        const auto document = JsonDocument::parse(*body);
        if (!response->ok() || !document)
            return void(call.problem = "status " + std::to_string(response->status()));
        const auto content = document->root()["choices"][0]["message"]["content"].as_string();
        if (!content) return void(call.problem = "the answer has no content");
        call.answer = *content;
    }

    std::string base_url_;
    std::string name_;
    reeve::http::Client client_;
};

Call ask_outline(Model& model) { return model.ask("outline", "Outline a story in five chapters."); }
Call ask_title(Model& model) { return model.ask("title", "Suggest a title for a story."); }

Call ask_chapter(Model& model, const Call& outline, std::size_t number) {
    const std::string chapter = "chapter " + std::to_string(number + 1);
    return model.ask(chapter, "Write " + chapter + " of this outline: " + outline.answer);
}

Timeline run_sequentially(Model& model) {
    Timeline timeline;
    timeline.start_ns = reeve::now_ns();
    timeline.outline = ask_outline(model);
    for (std::size_t i = 0; i < k_chapters; ++i)
        timeline.chapters.push_back(ask_chapter(model, timeline.outline, i));
    timeline.title = ask_title(model);
    timeline.end_ns = reeve::now_ns();
    return timeline;
}

Timeline run_gathered(Model& model) {
    Timeline timeline;
    timeline.start_ns = reeve::now_ns();
    const auto write_story = [&] {
        timeline.outline = ask_outline(model);
        std::vector<std::function<Call()>> chapters;
        for (std::size_t i = 0; i < k_chapters; ++i)
            chapters.emplace_back([&model, &timeline, i] { return ask_chapter(model, timeline.outline, i); });
        timeline.chapters = reeve::gather(std::move(chapters));
    };
    reeve::gather(write_story, [&] { timeline.title = ask_title(model); });
    timeline.end_ns = reeve::now_ns();
    return timeline;
}

void print(const char* heading, const Timeline& timeline, double scale_ms) {
    std::printf("\n%s: %.0f ms\n", heading, timeline.ms());
    const auto column_of = [&](double ms) {
        return std::clamp(static_cast<int>(ms / scale_ms * k_bar_columns), 0, k_bar_columns);
    };
    for (const Call* call : timeline.calls()) {
        const double start_ms = static_cast<double>(call->start_ns - timeline.start_ns) / 1e6;
        const double end_ms = static_cast<double>(call->end_ns - timeline.start_ns) / 1e6;
        const int first = std::min(column_of(start_ms), k_bar_columns - 1);
        const int columns = std::max(column_of(end_ms) - first, 1);
        std::string bar(static_cast<std::size_t>(k_bar_columns), ' ');
        bar.replace(static_cast<std::size_t>(first), static_cast<std::size_t>(columns),
                    static_cast<std::size_t>(columns), '#');
        std::printf("  %-10s |%s| %6.0f - %6.0f ms", call->name.c_str(), bar.c_str(), start_ms, end_ms);
        std::printf(call->problem.empty() ? "%s\n" : "  FAILED: %s\n", call->problem.c_str());
    }
}

bool has_succeeded(const Timeline& timeline) {
    const std::vector<const Call*> calls = timeline.calls();
    return std::all_of(calls.begin(), calls.end(), [](const Call* call) { return call->problem.empty(); });
}

int fan_out(const std::string& url) {
    Model model(url);
    if (const auto chosen = model.choose(); !chosen) {
        std::fprintf(stderr, "reeve-fanout: no gateway at %s (%s)\n", url.c_str(),
                     chosen.error().text().c_str());
        std::fputs("Start one in another terminal with tools/dev run, or name one with --url U\n", stderr);
        return 1;
    }
    std::printf("%zu calls to the model \"%s\" at %s: an outline, %zu chapters that need it, and a title.\n",
                k_chapters + 2, model.name().c_str(), url.c_str(), k_chapters);
    std::fflush(stdout);
    const Timeline sequential = run_sequentially(model);
    print("one after the other", sequential, sequential.ms());
    std::fflush(stdout);
    const Timeline gathered = run_gathered(model);
    print("gathered", gathered, sequential.ms());
    std::printf("\nsequential %.0f ms, gathered %.0f ms: %.1f times as fast\n", sequential.ms(),
                gathered.ms(), sequential.ms() / gathered.ms());
    // The second figure tells whether the calls themselves became slower by running side by side.
    std::printf("longest chain %.0f ms (%.0f ms in the sequential run); gathered/longest chain %.3f\n",
                gathered.longest_chain_ms(), sequential.longest_chain_ms(),
                gathered.ms() / gathered.longest_chain_ms());
    const bool ok = has_succeeded(sequential) && has_succeeded(gathered);
    if (!ok) std::fputs("reeve-fanout: not every call succeeded\n", stderr);
    return ok ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
    std::string url = "http://127.0.0.1:8080";
    const std::vector<std::string_view> options(arguments + 1, arguments + argument_count);
    if (options.size() == 2 && options[0] == "--url") {
        url = options[1];
    } else if (!options.empty()) {
        std::fputs("usage: reeve-fanout [--url http://127.0.0.1:8080]\n", stderr);
        return 2;
    }
    while (url.ends_with('/')) url.pop_back();
    return reeve::run([&] { return fan_out(url); });
}
