// What the CUDA sources use of Jittor's operator.
#pragma once
#include <string>
#include <unordered_map>

namespace jittor {
typedef std::unordered_map<std::string, double> DataMap;
}
