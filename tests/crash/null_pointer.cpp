// Must die of SIGSEGV as any program does: the runtime's handler is for stack overflows only.
#include "runtime/runtime.hpp"

int main() {
    reeve::run([] {
        volatile int* volatile pointer = nullptr;
        *pointer = 1;
    });
}
