// Must die: this fiber recurses without end.
#include "runtime/runtime.hpp"

namespace {

[[gnu::noinline]] int deeper(int depth) {
    volatile char frame[512];
    frame[0] = static_cast<char>(depth);
    return depth < 0 ? 0 : deeper(depth + 1) + frame[0];
}

}  // namespace

int main() {
    reeve::run([] { return reeve::spawn({.name = "deep"}, [] { return deeper(0); }).join(); });
}
