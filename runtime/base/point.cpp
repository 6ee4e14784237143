#include "runtime/base/point.hpp"

namespace reeve {

std::atomic<void (*)(Place)> s_at_point{nullptr};

}  // namespace reeve
