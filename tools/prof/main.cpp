// reeve-prof: where does a running program spend its CPU time?
//
//     reeve-prof PID --seconds 5 --out /tmp/profile
//
// Samples the process from outside, without its cooperation, and writes prof.folded and prof.svg. Fibers
// appear from their entry upwards, whichever thread they ran on.
//
//     reeve-prof PID --ledger
//
// Prints why its fibers were preempted, or could not be, and in which functions, since it began; writes
// ledger.folded.
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "runtime/os/kernel_schedule.hpp"
#include "runtime/os/thread.hpp"
#include "runtime/sched/ledger_report.hpp"
#include "tools/prof/flame_graph.hpp"
#include "tools/prof/ledger.hpp"
#include "tools/prof/names.hpp"
#include "tools/prof/sampler.hpp"
#include "tools/prof/target.hpp"

namespace {

using namespace reeve::prof;

constexpr const char* k_usage =
    "usage: reeve-prof PID [--seconds N] [--hz N] [--out DIR] [--off-cpu] [--threads] [--inlines] [--stop]\n"
    "       reeve-prof PID --ledger [--out DIR]\n"
    "\n"
    "  --seconds N   how long to watch (5)\n"
    "  --hz N        samples per second (99; odd, so that it does not beat with what runs at round rates)\n"
    "  --out DIR     where prof.folded and prof.svg, or ledger.folded, go (the current directory)\n"
    "  --off-cpu     count the time that passes, also in threads that sleep\n"
    "  --threads     put the OS thread's name under each stack\n"
    "  --inlines     show inlined functions as frames of their own (needs debug information)\n"
    "  --stop        stop threads to look at them, as is done where the kernel may not take samples\n"
    "  --ledger      print what preemption has done so far, and where; take no samples\n";

struct Options {
    pid_t pid = 0;
    SampleOptions sample;
    FoldOptions fold;
    std::filesystem::path out = ".";
    bool ledger = false;
};

std::atomic<bool> g_stop{false};

template <class T>
bool parse(std::string_view text, T& value) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool parse_options(int count, char** arguments, Options& options) {
    for (int i = 1; i < count; ++i) {
        const std::string_view argument = arguments[i];
        const std::string_view next = i + 1 < count ? arguments[i + 1] : "";
        const bool takes_value = argument == "--seconds" || argument == "--hz" || argument == "--out";
        if (argument == "--seconds" && (!parse(next, options.sample.seconds) || options.sample.seconds <= 0))
            return false;
        if (argument == "--hz" &&
            (!parse(next, options.sample.hz) || options.sample.hz < 1 || options.sample.hz > 1000))
            return false;
        if (argument == "--out") options.out = next;
        if (takes_value) {
            ++i;
        } else if (argument == "--off-cpu") {
            options.sample.off_cpu = true;
        } else if (argument == "--threads") {
            options.fold.thread_names = true;
        } else if (argument == "--inlines") {
            options.fold.inlines = true;
        } else if (argument == "--stop") {
            options.sample.stop_threads = true;
        } else if (argument == "--ledger") {
            options.ledger = true;
        } else if (options.pid != 0 || !parse(argument, options.pid) || options.pid <= 0) {
            return false;
        }
    }
    return options.pid != 0 && !options.out.empty();
}

int fail(const std::string& message) {
    std::fprintf(stderr, "reeve-prof: %s\n", message.c_str());
    return 1;
}

std::string seconds(std::int64_t ns) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.2f s", static_cast<double>(ns) / 1e9);
    return buffer;
}

void print_cost(const Sampler& sampler) {
    auto stops = sampler.stops_ns();
    if (!sampler.stops_threads()) std::printf("sampled by the kernel; no thread was stopped\n");
    if (sampler.lost() > 0)
        std::printf("%llu samples were lost; try a lower --hz\n",
                    static_cast<unsigned long long>(sampler.lost()));
    if (stops.empty()) return;
    std::sort(stops.begin(), stops.end());
    std::printf("each sample stopped its thread for %.0f us (median), %.0f us (longest)\n",
                static_cast<double>(stops[stops.size() / 2]) / 1e3, static_cast<double>(stops.back()) / 1e3);
}

void print_summary(const Folded& folded, const Profile& profile) {
    std::size_t shown = 0;
    for (const auto& [name, us] : leaves(folded)) {
        std::printf("  %5.1f %%  %s\n",
                    100e3 * static_cast<double>(us) / static_cast<double>(profile.total_ns()), name.c_str());
        if (++shown == 5) break;
    }
}

bool write_file(const std::filesystem::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    return static_cast<bool>(file.flush());
}

int print_ledger(const Options& options, const Unwinder& unwinder) {
    reeve::sched::LedgerSnapshot ledger;
    std::string reason;
    if (!read_ledger(options.pid, unwinder, ledger, reason)) return fail(reason);
    const auto name = [&](std::uintptr_t code) { return shortened(unwinder.name(code, false).front()); };
    constexpr std::size_t k_top = 10;
    const std::string table = reeve::sched::ledger_table(ledger, name, k_top);
    std::fputs(table.empty() ? "nothing was preempted so far\n" : table.c_str(), stdout);
    const auto path = options.out / "ledger.folded";
    if (!write_file(path, as_text(reeve::sched::ledger_folded(ledger, name))))
        return fail("cannot write to " + options.out.string());
    std::printf("%s\n", path.c_str());
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    Options options;
    if (!parse_options(count, arguments, options)) {
        std::fputs(k_usage, stderr);
        return 2;
    }
    const pid_t pid = options.pid;
    if (const std::string reason = why_not_traceable(pid); !reason.empty()) return fail(reason);
    std::error_code ignored;
    std::filesystem::create_directories(options.out, ignored);
    if (access(options.out.c_str(), W_OK) != 0)
        return fail("cannot write to " + options.out.string() + ": " + std::strerror(errno));

    struct sigaction action {};
    action.sa_handler = [](int) { g_stop = true; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    // A stopped thread waits for us: wake early also beside busy threads. Whatever of this is not permitted
    // is missed.
    (void)setpriority(PRIO_PROCESS, 0, -10);
    reeve::os::ask_for_slice(0, 100'000);
    reeve::os::sharpen_timers();

    const std::string name = process_name(pid);
    Unwinder unwinder(pid);
    if (!unwinder.error().empty())
        return fail("cannot read process " + std::to_string(pid) + ": " + unwinder.error());
    if (options.ledger) return print_ledger(options, unwinder);
    Profile profile;
    Sampler sampler(pid, options.sample, unwinder, profile);
    std::printf("watching %s (%d) for %g s, %u samples a second\n", name.c_str(), pid, options.sample.seconds,
                options.sample.hz);
    if (sampler.stops_threads() && !options.sample.stop_threads && !options.sample.off_cpu)
        std::printf(
            "the kernel may not take samples here (see kernel.perf_event_paranoid), so threads are "
            "stopped\n");
    std::fflush(stdout);
    const Ended ended = sampler.run(g_stop);
    if (ended == Ended::process_gone) std::printf("the process has ended; writing what was seen\n");
    if (ended == Ended::interrupted) std::printf("interrupted; writing what was seen\n");

    const Folded folded = profile.fold(unwinder, options.fold);
    const std::string what = options.sample.off_cpu ? " of thread time" : " of CPU time";
    std::string summary = std::to_string(profile.samples()) + " samples, " + seconds(profile.total_ns()) +
                          what + ", " + std::to_string(profile.samples_in_fibers()) + " samples in fibers";
    const FlameText text{name + " (" + std::to_string(pid) + ")", summary};
    const auto folded_path = options.out / "prof.folded";
    const auto svg_path = options.out / "prof.svg";
    if (!write_file(folded_path, as_text(folded)) || !write_file(svg_path, flame_graph(folded, text)))
        return fail("cannot write to " + options.out.string());

    std::printf("%s\n", summary.c_str());
    print_cost(sampler);
    print_summary(folded, profile);
    std::printf("%s\n%s\n", folded_path.c_str(), svg_path.c_str());
    return 0;
}
