// Must die of SIGSEGV as any program does: the runtime's handler is for stack overflows only.
#include "runtime/runtime.hpp"

namespace {

// Not even the sanitizer that looks for such stores sees it coming.
[[gnu::noinline, gnu::no_sanitize("undefined")]] void store_to_null() {
    volatile int* volatile pointer = nullptr;
    *pointer = 1;
}

}  // namespace

int main() {
    reeve::run([] { store_to_null(); });
}
