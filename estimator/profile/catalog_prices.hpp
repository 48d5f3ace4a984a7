// Prices of kernels from a device's profile in the catalog.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "estimator/profile/attention_curves.hpp"
#include "estimator/profile/gemm_lattice.hpp"
#include "estimator/step/price.hpp"
#include "jobs/software.hpp"
#include "topologies/device.hpp"
#include "topologies/device_profile.hpp"

namespace forerun {

/// Tables scaled to the device's own peaks and bandwidth and made ready once; a price then takes
/// well under a microsecond. Prices are tier fitted, with the profile's leave-one-out error; that
/// of dgrad and wgrad includes the spread of their ratios to forward.
class CatalogPrices {
 public:
  CatalogPrices(const DeviceSpec& device, const DeviceProfile& profile);

  /// Nothing where the profile says nothing about the key: fp32 products, Mamba-2's scan.
  [[nodiscard]] std::optional<Price> price(const KernelKey& key) const;

  /// The same for the version of attention that a framework calls. A version of which nothing is
  /// known is priced as the next faster one that is: flash-1 as flash-2, that as the fastest.
  [[nodiscard]] std::optional<Price> attention(const KernelKey& key, AttentionMethod method) const;

  /// Time of the dynamic quantisation of an fp8 product's m x k operand, which the published times
  /// include and `price` does not; zero for other formats.
  [[nodiscard]] Seconds quantise_time(const KernelKey& key) const;

 private:
  struct Products {
    GemmLattice lattice;
    double error = 0.0;
  };

  struct Rows {
    Seconds launch;
    BytesPerSecond bandwidth;
    double error = 0.0;
  };

  [[nodiscard]] const Products* products_of(DataType type) const;
  /// A product that stores what it forms.
  [[nodiscard]] Price product_price(const Products& products,
                                    GemmLayout layout,
                                    Seconds forward) const;
  /// What it takes to add an m x n product to sums in fp32. It depends on their bytes and not on
  /// the format of the operands.
  [[nodiscard]] Seconds adding_time(const Products& products, const ProductSizes& sizes) const;
  [[nodiscard]] std::optional<Price> price_of(const KernelKey& key, const GemmShape& shape) const;
  [[nodiscard]] std::optional<Price> price_of(const KernelKey& key,
                                              const GroupedGemmShape& shape) const;
  [[nodiscard]] std::optional<Price> price_of(const KernelKey& key,
                                              const AttentionKeyShape& shape) const;
  [[nodiscard]] static std::optional<Price> price_of(const KernelKey& key, const SsdShape& shape);
  [[nodiscard]] static std::optional<Price> price_of(const KernelKey& key, const DeltaShape& shape);
  /// What memory limits.
  [[nodiscard]] std::optional<Price> rows_price(const KernelKey& key) const;
  template <typename Shape>
  [[nodiscard]] std::optional<Price> price_of(const KernelKey& key, const Shape& shape) const;

  std::map<DataType, Products> products_;
  LayoutFactors layouts_;
  BytesPerSecond memory_bandwidth_;
  std::map<std::string, AttentionCurves, std::less<>> attention_;  ///< by method
  std::map<KernelOp, Rows> rows_;
  std::optional<Rows> memory_;
};

}  // namespace forerun
