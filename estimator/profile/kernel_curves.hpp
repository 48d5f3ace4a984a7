// Times of kernels that were not measured, from those that were.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "estimator/profile/kernel_family.hpp"
#include "estimator/profile/profile.hpp"
#include "estimator/profile/roofline.hpp"
#include "estimator/step/price.hpp"

namespace forerun {

/// Order of trust (modelling.md 10.5), for keys that were not measured themselves:
///  1. own curve: the same sizes but for the first (rows m of a product), measured above and below
///     within a factor of four: utilisation interpolated in log m;
///  2. neighbour transfer: the mean utilisation, by inverse square distance, of the twelve nearest
///     members of the family that lie within a factor of about 16;
///  3. the roofline fitted to the family or, where it has too few members, to all kernels of its
///     kind and number format.
/// Utilisation is relative to the roofline. 1 and 2 are tier interpolated, 3 is fitted. The error
/// of 1 and 2 is the family's own when members are left out together with all others nearer than
/// the key's nearest neighbour is; that of 3 is the roofline's mean error.
class KernelCurves {
 public:
  explicit KernelCurves(std::span<const KernelRecord> records);

  /// Nothing when no kernel of the key's kind was measured.
  [[nodiscard]] std::optional<Price> price(const KernelKey& key) const;

 private:
  struct Member {
    KernelPoint point;
    double log_utilisation = 0.0;
  };

  struct Neighbour {
    double distance = 0.0;
    double log_utilisation = 0.0;
  };

  struct Fitted {
    Roofline roofline;
    double error = 0.0;
  };

  /// Members sorted by their first coordinate.
  struct Family {
    Fitted fitted;
    std::vector<Member> members;
    std::vector<double> errors;  ///< of transfer, by `distances`
  };

  struct Transfer {
    double log_utilisation = 0.0;
    double nearest = 0.0;
  };

  /// Kernels limited by the same thing in one number format.
  struct Kind {
    Limits limits = Limits::bytes;
    DataType type = DataType::bf16;
    friend auto operator<=>(const Kind&, const Kind&) = default;
  };

  static Kind kind_of(const KernelFamily& family);
  static Fitted fit(const std::vector<Work>& points, const KernelFamily& family);
  /// Neighbours nearer than `beyond` are not looked at.
  static std::optional<Transfer> transfer(const Family& family,
                                          const KernelPoint& point,
                                          double beyond);
  static std::optional<Transfer> own_curve(const Family& family, const KernelPoint& point);
  static void estimate_errors(Family& family);
  static double error_at(const Family& family, double distance);

  std::map<KernelFamily, Family> families_;
  std::map<Kind, Fitted> kinds_;
};

}  // namespace forerun
