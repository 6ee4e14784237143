// reeve-starve: who still answers when some handlers never give their thread back?
//
//     reeve-starve                       about 80 seconds; a table, and a page in ./starve-report
//     reeve-starve --kind malloc --hogs 8 --seconds 2
//
// The same server three times: on fibers that are not preempted, on a pool of blocking threads, and on fibers
// as reeve runs them; beside each, more and more hogs. A client outside sends requests by the clock (see
// client.hpp).
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "apps/starve/chart.hpp"
#include "apps/starve/client.hpp"
#include "apps/starve/hogs.hpp"
#include "apps/starve/report.hpp"
#include "apps/starve/results.hpp"
#include "apps/starve/server.hpp"

namespace {

using namespace reeve::starve;

constexpr unsigned k_hogs_max = 1000;

// Before the hogs come: the first requests of a process touch cold code and memory, which is not what is
// measured.
constexpr double k_warm_up_seconds = 0.2;

struct Options {
    std::vector<unsigned> hogs{0, 1, 2, 4, 16};
    HogKind kind = hog_kinds().front();
    std::filesystem::path out = "starve-report";
    Load load;
    std::vector<Mode> modes{k_modes.begin(), k_modes.end()};
};

void print_usage() {
    std::fputs(
        "usage: reeve-starve [--hogs N] [--kind K] [--out DIR] [--seconds S] [--rate R] [--mode M]\n"
        "\n"
        "  --hogs N      only none and N hogs, 1 to 1000 (without: 0, 1, 2, 4 and 16)\n"
        "  --kind K      what the hogs do:\n",
        stderr);
    for (const HogKind& kind : hog_kinds())
        std::fprintf(stderr, "                  %-10s %s\n", kind.name, kind.details);
    std::fputs(
        "  --out DIR     where starve.html and starve.svg go (starve-report)\n"
        "  --seconds S   of requests in each run (4)\n"
        "  --rate R      requests per second (200)\n"
        "  --mode M      only one: cooperative, pool or preemptive\n",
        stderr);
}

template <class T>
bool parse(std::string_view text, T& value, T least, T most) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    return result.ec == std::errc() && result.ptr == text.data() + text.size() && value >= least &&
           value <= most;
}

std::optional<Mode> parse_mode(std::string_view word) {
    for (const Mode mode : k_modes)
        if (word == text_of(mode).word) return mode;
    return std::nullopt;
}

bool parse_options(int count, char** arguments, Options& options) {
    for (int i = 1; i < count; i += 2) {
        const std::string_view name = arguments[i];
        if (i + 1 == count) return false;
        const std::string_view value = arguments[i + 1];
        if (name == "--hogs") {
            unsigned hogs = 0;
            if (!parse(value, hogs, 1U, k_hogs_max)) return false;
            options.hogs = {0, hogs};
        } else if (name == "--kind") {
            const auto kind = hog_kind(value);
            if (!kind) return false;
            options.kind = *kind;
        } else if (name == "--out") {
            options.out = value;
        } else if (name == "--seconds") {
            if (!parse(value, options.load.seconds, 0.1, 3600.0)) return false;
        } else if (name == "--rate") {
            if (!parse(value, options.load.rate, 1U, 10'000U)) return false;
        } else if (name == "--mode") {
            const auto mode = parse_mode(value);
            if (!mode) return false;
            options.modes = {*mode};
        } else {
            return false;
        }
    }
    return true;
}

// A thousand hogs, and every request of a run that nobody answers, are more connections than a process may have by default.
// Of this process and, inherited, of the servers.
void raise_descriptor_limit() {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

// --serve MODE KIND FD: this process is a server under observation.
int serve(char** arguments) {
    const auto mode = parse_mode(arguments[2]);
    const auto kind = hog_kind(arguments[3]);
    if (!mode || !kind) return 2;
    const Reporter reporter(std::atoi(arguments[4]));
    if (*mode == Mode::pool) return serve_with_pool(*kind, reporter);
    return serve_with_reeve(*mode == Mode::preemptive, *kind, reporter);
}

// What goes on now; on a terminal the next line takes its place.
void print_progress(const std::string& text) {
    const bool is_terminal = isatty(STDOUT_FILENO) == 1;
    std::printf(is_terminal ? "\r\033[K%s" : "%s\n", text.c_str());
    std::fflush(stdout);
}

std::optional<Run> measure(Mode mode, unsigned hogs, const Options& options) {
    const std::string what =
        std::string(text_of(mode).word) + ", " + std::to_string(hogs) + (hogs == 1 ? " hog" : " hogs");
    print_progress(what + ": starting the server");
    ServerProcess server(mode, options.kind);
    if (server.port() == 0) {
        std::fprintf(stderr, "\nreeve-starve: the %s server did not start\n", text_of(mode).word);
        return std::nullopt;
    }
    Load load = options.load;
    load.port = server.port();
    Load warm_up = load;
    warm_up.seconds = k_warm_up_seconds;
    (void)run_client(warm_up);
    const HogConnections connections(server.port(), hogs);
    const unsigned started = server.wait_for_hogs(hogs);
    print_progress(what + " (" + std::to_string(started) + " running): sending requests");
    Run run = run_client(load);
    run.hogs = hogs;
    run.hogs_started = started;
    print_progress("  " + as_line(run, load.timeout_ns));
    if (isatty(STDOUT_FILENO) == 1) std::puts("");
    return run;
}

bool write_file(const std::filesystem::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    return static_cast<bool>(file.flush());
}

}  // namespace

int main(int count, char** arguments) {
    raise_descriptor_limit();
    if (count == 5 && std::string_view(arguments[1]) == "--serve") return serve(arguments);
    Options options;
    if (!parse_options(count, arguments, options)) {
        print_usage();
        return 2;
    }
    std::error_code error;
    std::filesystem::create_directories(options.out, error);
    if (access(options.out.c_str(), W_OK) != 0) {
        std::fprintf(stderr, "reeve-starve: cannot write to %s\n", options.out.c_str());
        return 1;
    }
    Demonstration demonstration;
    demonstration.kind = options.kind.name;
    demonstration.kind_details = options.kind.details;
    demonstration.rate = options.load.rate;
    demonstration.seconds = options.load.seconds;
    demonstration.timeout_ns = options.load.timeout_ns;
    demonstration.cpus = std::max(1U, std::thread::hardware_concurrency());
    if (getloadavg(&demonstration.load_before, 1) != 1) demonstration.load_before = 0;
    std::printf(
        "hogs: handlers that never return (%s)\nclient: GET /fast, %u times a second for %g s, by the clock; "
        "a request "
        "without an answer after %.3g s has timed out\n",
        options.kind.details, options.load.rate, options.load.seconds,
        static_cast<double>(options.load.timeout_ns) / 1e9);
    if (const std::string note = busy_note(demonstration); !note.empty())
        std::printf("note: %s\n", note.c_str());
    for (const Mode mode : options.modes) {
        std::printf("\n%s (%s)\n", text_of(mode).title, text_of(mode).details);
        ModeRuns& runs = demonstration.modes.emplace_back(ModeRuns{mode, {}});
        for (const unsigned hogs : options.hogs) {
            const auto run = measure(mode, hogs, options);
            if (!run) return 1;
            runs.runs.push_back(*run);
        }
    }
    std::printf("\n%s\n", as_table(demonstration).c_str());
    const auto page = std::filesystem::absolute(options.out / "starve.html");
    if (!write_file(page, as_html(demonstration)) ||
        !write_file(options.out / "starve.svg", as_svg(demonstration))) {
        std::fprintf(stderr, "reeve-starve: cannot write to %s\n", options.out.c_str());
        return 1;
    }
    std::printf("the same as a page: %s\n", page.c_str());
    return 0;
}
