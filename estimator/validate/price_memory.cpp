#include "estimator/validate/price_memory.hpp"

#include <map>
#include <memory>
#include <utility>

namespace forerun {
namespace {

/// Copies share what they know.
template <typename Key>
class Remembered {
 public:
  explicit Remembered(std::function<Price(const Key&)> price) : price_(std::move(price)) {}

  Price operator()(const Key& key) const {
    const auto found = known_->find(key);
    return found != known_->end() ? found->second : known_->emplace(key, price_(key)).first->second;
  }

 private:
  std::function<Price(const Key&)> price_;
  std::shared_ptr<std::map<Key, Price>> known_ = std::make_shared<std::map<Key, Price>>();
};

}  // namespace

PriceList remembering(PriceList prices) {
  prices.kernel = Remembered<KernelKey>(std::move(prices.kernel));
  prices.collective = Remembered<CollectiveKey>(std::move(prices.collective));
  return prices;
}

}  // namespace forerun
