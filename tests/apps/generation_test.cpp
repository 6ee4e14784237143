#include "apps/gateway/generation.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "apps/gateway/latency.hpp"
#include "tests/support/catch.hpp"

using namespace reeve::gateway;

static ChatRequest request_with(std::optional<std::int64_t> tokens_max, std::vector<std::string> stop = {}) {
    ChatRequest request;
    request.model = "m";
    request.topic = "lighthouses";
    request.tokens_max = tokens_max;
    request.stop = std::move(stop);
    return request;
}

static std::string all_of(Generation& generation) {
    std::string text;
    while (!generation.is_finished()) generation.next(text);
    return text;
}

static bool is_utf8(std::string_view text) {
    int more = 0;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (more > 0) {
            if ((byte & 0xc0) != 0x80) return false;
            --more;
        } else if (byte >= 0x80) {
            more = (byte & 0xe0) == 0xc0 ? 1 : (byte & 0xf0) == 0xe0 ? 2 : -1;
            if (more < 0) return false;
        }
    }
    return more == 0;
}

TEST_CASE("generation: the same seed gives the same text, another seed another", "[gateway]") {
    const ChatRequest request = request_with(200);
    Generation one(request, 7);
    Generation two(request, 7);
    Generation three(request, 8);
    const std::string text = all_of(one);
    CHECK(text == all_of(two));
    CHECK(text != all_of(three));
}

TEST_CASE("generation: ends at a sentence's end or at the maximum, and says which", "[gateway]") {
    int stops = 0;
    int lengths = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const ChatRequest request = request_with(100);
        Generation generation(request, seed);
        const std::string text = all_of(generation);
        if (generation.finish_reason() == "stop") {
            ++stops;
            CHECK(text.back() == '.');
            CHECK(generation.tokens() <= 100);
        } else {
            ++lengths;
            CHECK(generation.finish_reason() == "length");
            CHECK(generation.tokens() == 100);
        }
    }
    // The median answer is about 150 tokens, so both happen.
    CHECK(stops > 20);
    CHECK(lengths > 60);
}

TEST_CASE("generation: one token at the least", "[gateway]") {
    const ChatRequest request = request_with(1);
    Generation generation(request, 1);
    CHECK(!all_of(generation).empty());
    CHECK(generation.tokens() == 1);
    CHECK(generation.finish_reason() == "length");
}

TEST_CASE("text source: sentences in paragraphs, whole characters, the topic", "[gateway]") {
    TextSource source(3, "lighthouses");
    std::string text;
    std::size_t long_tokens = 0;
    for (int i = 0; i < 5000; ++i) {
        const std::string token(source.next());
        REQUIRE(!token.empty());
        REQUIRE(is_utf8(token));
        long_tokens += token.size() > 16;
        text += token;
    }
    CHECK(long_tokens == 0);
    CHECK(text.find("lighthouses") != std::string::npos);
    CHECK(text.find("\n\n") != std::string::npos);
    CHECK(text.find("\xc3\xaf") != std::string::npos);  // some characters have several bytes
    CHECK(text.find("  ") == std::string::npos);
    CHECK(text.find_first_of("<>") == std::string::npos);
    CHECK((text[0] >= 'A' && text[0] <= 'Z'));
}

TEST_CASE("text source: works without a topic", "[gateway]") {
    TextSource source(3, "");
    for (int i = 0; i < 1000; ++i) CHECK(!source.next().empty());
}

TEST_CASE("topic: the longest plain word near the end", "[gateway]") {
    CHECK(topic_of("Please explain photosynthesis to a child") == "photosynthesis");
    CHECK(topic_of("Why?") == "");
    CHECK(topic_of("") == "");
    CHECK(topic_of("Should these things between those") == "");
    CHECK(topic_of(std::string(5000, 'x') + " and then COBWEBS") == "cobwebs");
}

// Feeds the text cut at every possible pair of places.
static std::string filtered(const std::string& text, const std::vector<std::string>& stops, std::size_t a, std::size_t b) {
    StopFilter filter(stops);
    std::string out;
    for (const std::string& token : {text.substr(0, a), text.substr(a, b - a), text.substr(b)})
        if (!filter.feed(token, out)) return out;
    filter.finish(out);
    return out;
}

TEST_CASE("stop filter: finds a sequence wherever the tokens cut it", "[gateway]") {
    const std::string text = "one two threat three four";
    const std::vector<std::string> stops{"three", "zz"};
    for (std::size_t a = 0; a <= text.size(); ++a)
        for (std::size_t b = a; b <= text.size(); ++b) CHECK(filtered(text, stops, a, b) == "one two threat ");
}

TEST_CASE("stop filter: loses nothing when there is no sequence", "[gateway]") {
    const std::string text = "one two threat thre";
    for (std::size_t a = 0; a <= text.size(); ++a)
        for (std::size_t b = a; b <= text.size(); ++b) CHECK(filtered(text, {"three", "eee"}, a, b) == text);
}

TEST_CASE("stop filter: the first of several wins, and text passes on as soon as it is certain", "[gateway]") {
    CHECK(filtered("abcdef", {"de", "bc"}, 3, 4) == "a");
    const std::vector<std::string> stops{"END"};
    StopFilter filter(stops);
    std::string out;
    CHECK(filter.feed("hello E", out));
    CHECK(out == "hello ");
    CHECK(filter.feed("N", out));
    CHECK(out == "hello ");
    CHECK(filter.feed("X", out));
    CHECK(out == "hello ENX");
}

TEST_CASE("generation: a stop sequence ends it and is not part of it", "[gateway]") {
    const ChatRequest plain = request_with(400);
    Generation first(plain, 11);
    const std::string text = all_of(first);
    const std::string stop = text.substr(30, 9);
    const ChatRequest request = request_with(400, {stop});
    Generation second(request, 11);
    CHECK(all_of(second) == text.substr(0, text.find(stop)));
    CHECK(second.finish_reason() == "stop");
    CHECK(second.tokens() < first.tokens());
}

static double median_of(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

static double milliseconds(reeve::Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

TEST_CASE("latency: the profiles have the medians they promise", "[gateway]") {
    struct Promise {
        const char* profile;
        double first_ms, gap_ms;
    };
    for (const Promise& promise : {Promise{"instant", 0, 0}, Promise{"fast", 10, 1}, Promise{"default", 300, 20}}) {
        const auto profile = profile_of(promise.profile);
        REQUIRE(profile.has_value());
        Random random(5);
        std::vector<double> first;
        std::vector<double> gap;
        for (int i = 0; i < 20'000; ++i) {
            first.push_back(milliseconds(time_to_first_token(*profile, 1000, random)));
            gap.push_back(milliseconds(gap_between_tokens(*profile, 0, random)));
        }
        CHECK(std::abs(median_of(first) - promise.first_ms) <= 0.02 * promise.first_ms);
        CHECK(std::abs(median_of(gap) - promise.gap_ms) <= 0.02 * promise.gap_ms);
    }
    CHECK(!profile_of("slow").has_value());
}

TEST_CASE("latency: spread, stalls and load", "[gateway]") {
    const Profile profile = *profile_of("default");
    Random random(6);
    double sum = 0;
    double squares = 0;
    int stalls = 0;
    constexpr int k_samples = 100'000;
    for (int i = 0; i < k_samples; ++i) {
        const double gap = milliseconds(gap_between_tokens(profile, 0, random));
        if (gap > 100) {
            ++stalls;
            continue;
        }
        sum += std::log(gap / 20);
        squares += std::log(gap / 20) * std::log(gap / 20);
    }
    CHECK(stalls > 50);
    CHECK(stalls < 200);
    CHECK(std::abs(sum / k_samples) < 0.01);
    CHECK(std::abs(std::sqrt(squares / k_samples) - 0.3) < 0.01);

    std::vector<double> loaded;
    for (int i = 0; i < 20'000; ++i) loaded.push_back(milliseconds(gap_between_tokens(profile, 1'000'000, random)));
    CHECK(std::abs(median_of(loaded) - 40) < 1);
}

TEST_CASE("latency: answer lengths are lognormal around 148 tokens", "[gateway]") {
    Random random(7);
    std::vector<double> lengths;
    for (int i = 0; i < 50'000; ++i) lengths.push_back(static_cast<double>(answer_tokens(random)));
    CHECK(std::abs(median_of(lengths) - 148) < 5);
    const auto over = std::count_if(lengths.begin(), lengths.end(), [](double n) { return n > 446; });
    CHECK(over > 4000);  // a tenth: exp(5 + 1.2816 * 0.86)
    CHECK(over < 6000);
    CHECK(*std::min_element(lengths.begin(), lengths.end()) >= 1);
}
