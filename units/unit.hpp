// Named units: the only constants with which numbers enter and leave quantities.
#pragma once

#include "units/quantity.hpp"

namespace forerun::unit {

inline constexpr Seconds second = Seconds::from_base(1.0);
inline constexpr Seconds millisecond = Seconds::from_base(1e-3);
inline constexpr Seconds microsecond = Seconds::from_base(1e-6);
inline constexpr Seconds nanosecond = Seconds::from_base(1e-9);
inline constexpr Seconds minute = Seconds::from_base(60.0);
inline constexpr Seconds hour = Seconds::from_base(3600.0);
inline constexpr Seconds day = Seconds::from_base(86400.0);
/// A Julian year, 365.25 days: the one year of this program.
inline constexpr Seconds year = Seconds::from_base(365.25 * 86400.0);

inline constexpr Bytes byte = Bytes::from_base(1.0);
inline constexpr Bytes kilobyte = Bytes::from_base(1e3);
inline constexpr Bytes megabyte = Bytes::from_base(1e6);
inline constexpr Bytes gigabyte = Bytes::from_base(1e9);
inline constexpr Bytes terabyte = Bytes::from_base(1e12);
inline constexpr Bytes kibibyte = Bytes::from_base(1024.0);
inline constexpr Bytes mebibyte = Bytes::from_base(1024.0 * 1024.0);
inline constexpr Bytes gibibyte = Bytes::from_base(1024.0 * 1024.0 * 1024.0);
inline constexpr Bytes bit = Bytes::from_base(0.125);

inline constexpr Flops flop = Flops::from_base(1.0);
inline constexpr Flops gigaflop = Flops::from_base(1e9);
inline constexpr Flops teraflop = Flops::from_base(1e12);

inline constexpr Dollars dollar = Dollars::from_base(1.0);

inline constexpr Joules joule = Joules::from_base(1.0);
inline constexpr Joules kilowatt_hour = Joules::from_base(3.6e6);
inline constexpr Watts watt = Watts::from_base(1.0);

}  // namespace forerun::unit
