// What an element of NVFP4 takes: 4 bits, and a scale of 8 bits for every 16 elements.
#pragma once

namespace forerun {

inline constexpr double nvfp4_element_bytes = 0.5 + 1.0 / 16.0;

}  // namespace forerun
