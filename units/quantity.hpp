// A number with a dimension: time, data, work, money or energy, and their quotients.
#pragma once

#include <compare>
#include <limits>

namespace forerun {

/// A strong type over `double`, kept in base units (second, byte, FLOP, US dollar, joule).
///
/// A number gets its unit where it enters (`450.0 * unit::gigabyte / unit::second`) and names it
/// where it leaves (`time.in(unit::microsecond)`). Quantities of different dimensions do not add;
/// the ratio of two quantities of one dimension is a `double`.
template <int Time, int Data, int Work, int Money, int Energy>
class Quantity {
 public:
  constexpr Quantity() = default;

  [[nodiscard]] static constexpr Quantity from_base(double value) { return Quantity(value); }

  [[nodiscard]] static constexpr Quantity infinite() {
    return Quantity(std::numeric_limits<double>::infinity());
  }

  /// The number of `unit`s in this quantity.
  [[nodiscard]] constexpr double in(Quantity unit) const { return value_ / unit.value_; }

  constexpr Quantity& operator+=(Quantity other) {
    value_ += other.value_;
    return *this;
  }

  constexpr Quantity& operator-=(Quantity other) {
    value_ -= other.value_;
    return *this;
  }

  constexpr Quantity& operator*=(double factor) {
    value_ *= factor;
    return *this;
  }

  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(a.value_ + b.value_);
  }

  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(a.value_ - b.value_);
  }

  friend constexpr Quantity operator-(Quantity a) { return Quantity(-a.value_); }

  friend constexpr Quantity operator*(Quantity a, double f) { return Quantity(a.value_ * f); }

  friend constexpr Quantity operator*(double f, Quantity a) { return Quantity(a.value_ * f); }

  friend constexpr Quantity operator/(Quantity a, double f) { return Quantity(a.value_ / f); }

  friend constexpr double operator/(Quantity a, Quantity b) { return a.value_ / b.value_; }

  friend constexpr auto operator<=>(Quantity, Quantity) = default;

 private:
  template <int T, int D, int W, int M, int E>
  friend class Quantity;
  template <int T1, int D1, int W1, int M1, int E1, int T2, int D2, int W2, int M2, int E2>
  friend constexpr auto operator*(Quantity<T1, D1, W1, M1, E1> a, Quantity<T2, D2, W2, M2, E2> b);
  template <int T1, int D1, int W1, int M1, int E1, int T2, int D2, int W2, int M2, int E2>
  friend constexpr auto operator/(Quantity<T1, D1, W1, M1, E1> a, Quantity<T2, D2, W2, M2, E2> b);

  explicit constexpr Quantity(double value) : value_(value) {}

  double value_ = 0.0;
};

template <int T1, int D1, int W1, int M1, int E1, int T2, int D2, int W2, int M2, int E2>
constexpr auto operator*(Quantity<T1, D1, W1, M1, E1> a, Quantity<T2, D2, W2, M2, E2> b) {
  return Quantity<T1 + T2, D1 + D2, W1 + W2, M1 + M2, E1 + E2>::from_base(a.value_ * b.value_);
}

template <int T1, int D1, int W1, int M1, int E1, int T2, int D2, int W2, int M2, int E2>
constexpr auto operator/(Quantity<T1, D1, W1, M1, E1> a, Quantity<T2, D2, W2, M2, E2> b) {
  return Quantity<T1 - T2, D1 - D2, W1 - W2, M1 - M2, E1 - E2>::from_base(a.value_ / b.value_);
}

using Seconds = Quantity<1, 0, 0, 0, 0>;
using Bytes = Quantity<0, 1, 0, 0, 0>;
using Flops = Quantity<0, 0, 1, 0, 0>;
using Dollars = Quantity<0, 0, 0, 1, 0>;
using Joules = Quantity<0, 0, 0, 0, 1>;
using BytesPerSecond = Quantity<-1, 1, 0, 0, 0>;
using FlopsPerSecond = Quantity<-1, 0, 1, 0, 0>;
using DollarsPerSecond = Quantity<-1, 0, 0, 1, 0>;
using Watts = Quantity<-1, 0, 0, 0, 1>;

}  // namespace forerun
