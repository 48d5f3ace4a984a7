// Operands of the state-space kernels.
#include "kernels/operand_lists.hpp"

namespace forerun {

using operand_words::fp32;
using operand_words::read;
using operand_words::update;
using operand_words::write;

std::vector<Operand> list_operands(const KernelKey& key, const ConvShape& s) {
  const std::int64_t all = s.batch * s.length * s.channels;
  const Operand x{"x", key.type, all, read};
  const Operand weight{"weight", key.type, s.channels * s.width, read};
  const Operand bias{"bias", key.type, s.channels, read};
  if (key.op == KernelOp::conv1d_forward) {
    return {x, weight, bias, {"y", key.type, all, write}};
  }
  return {x,
          weight,
          bias,
          {"dy", key.type, all, read},
          {"dx", key.type, all, write},
          {"d_weight", fp32, s.channels * s.width, update},
          {"d_bias", fp32, s.channels, update}};
}

std::vector<Operand> list_operands(const KernelKey& key, const SsdShape& s) {
  const std::int64_t tokens = s.batch * s.length;
  const std::int64_t values = tokens * s.heads * s.head_size;
  const std::int64_t projected = tokens * s.groups * s.state;
  std::vector<Operand> list = {{"x", key.type, values, read},
                               {"dt", key.type, tokens * s.heads, read},
                               {"B", key.type, projected, read},
                               {"C", key.type, projected, read},
                               {"dt_bias", fp32, s.heads, read},
                               {"A_log", fp32, s.heads, read},
                               {"D", fp32, s.heads, read}};
  if (key.op == KernelOp::ssd_forward) {
    list.push_back({"y", key.type, values, write});
    return list;
  }
  list.insert(list.end(),
              {{"dy", key.type, values, read},
               {"dx", key.type, values, write},
               {"d_dt", key.type, tokens * s.heads, write},
               {"dB", key.type, projected, write},
               {"dC", key.type, projected, write},
               {"d_dt_bias", fp32, s.heads, update},
               {"dA_log", fp32, s.heads, update},
               {"dD", fp32, s.heads, update}});
  return list;
}

std::vector<Operand> list_operands(const KernelKey& key, const ScanShape& s) {
  const std::int64_t tokens = s.batch * s.length;
  const std::int64_t values = tokens * s.channels;
  const std::int64_t projected = tokens * s.state;
  std::vector<Operand> list = {{"x", key.type, values, read},
                               {"dt", key.type, values, read},
                               {"B", key.type, projected, read},
                               {"C", key.type, projected, read},
                               {"z", key.type, values, read},
                               {"dt_bias", fp32, s.channels, read},
                               {"A_log", fp32, s.channels * s.state, read},
                               {"D", fp32, s.channels, read}};
  if (key.op == KernelOp::selective_scan_forward) {
    list.push_back({"y", key.type, values, write});
    return list;
  }
  list.insert(list.end(),
              {{"dy", key.type, values, read},
               {"dx", key.type, values, write},
               {"d_dt", key.type, values, write},
               {"dB", key.type, projected, write},
               {"dC", key.type, projected, write},
               {"dz", key.type, values, write},
               {"d_dt_bias", fp32, s.channels, update},
               {"dA_log", fp32, s.channels * s.state, update},
               {"dD", fp32, s.channels, update}});
  return list;
}

}  // namespace forerun
