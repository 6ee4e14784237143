#include "tools/prof/target.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>

namespace reeve::prof {
namespace {

std::string thread_file(pid_t pid, pid_t tid, const char* name) {
    return "/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/" + name;
}

// The first bytes of a small /proc file; empty when it cannot be read.
std::string read_start(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::array<char, 512> buffer;
    const ssize_t bytes = read(fd, buffer.data(), buffer.size());
    close(fd);
    return bytes > 0 ? std::string(buffer.data(), static_cast<std::size_t>(bytes)) : std::string();
}

std::string without_newline(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

}  // namespace

bool process_exists(pid_t pid) {
    return access(("/proc/" + std::to_string(pid) + "/stat").c_str(), F_OK) == 0;
}

std::string why_not_traceable(pid_t pid) {
    const std::string process = "process " + std::to_string(pid);
    if (!process_exists(pid)) return "no " + process;
    // Opening its memory asks the same permission as tracing it, and the process notices nothing.
    const int memory = open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    if (memory < 0) {
        if (errno != EACCES && errno != EPERM) return "cannot read " + process + ": " + std::strerror(errno);
        const std::string scope = without_newline(read_start("/proc/sys/kernel/yama/ptrace_scope"));
        std::string text = "not permitted to trace " + process + ": run this as the same user or as root";
        if (!scope.empty() && scope != "0")
            text +=
                "; this system lets users trace children only (sysctl kernel.yama.ptrace_scope=0 changes "
                "that)";
        return text;
    }
    close(memory);
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        constexpr std::string_view k_tracer = "TracerPid:\t";
        if (line.starts_with(k_tracer) && line.substr(k_tracer.size()) != "0")
            return process + " is being traced by another (process " + line.substr(k_tracer.size()) + ")";
    }
    return {};
}

std::string process_name(pid_t pid) {
    return without_newline(read_start("/proc/" + std::to_string(pid) + "/comm"));
}

std::vector<pid_t> list_threads(pid_t pid) {
    std::vector<pid_t> threads;
    DIR* directory = opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
    if (directory == nullptr) return threads;
    while (const dirent* entry = readdir(directory)) {
        const std::string_view name = entry->d_name;
        pid_t tid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), tid).ec == std::errc())
            threads.push_back(tid);
    }
    closedir(directory);
    return threads;
}

std::string thread_name(pid_t pid, pid_t tid) {
    return without_newline(read_start(thread_file(pid, tid, "comm")));
}

std::optional<char> thread_state(pid_t pid, pid_t tid) {
    const std::string line = read_start(thread_file(pid, tid, "stat"));
    // "17 (any name, even with brackets) R ...": the state follows the last closing bracket.
    const auto bracket = line.rfind(')');
    if (bracket == std::string::npos || bracket + 2 >= line.size()) return std::nullopt;
    return line[bracket + 2];
}

std::int64_t thread_cpu_ns(pid_t pid, pid_t tid) {
    const std::string line = read_start(thread_file(pid, tid, "schedstat"));
    std::int64_t ns = 0;
    std::from_chars(line.data(), line.data() + line.size(), ns);
    return ns;
}

}  // namespace reeve::prof
