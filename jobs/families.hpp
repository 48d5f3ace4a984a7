// One reader for each family of config.json: fields to a shape, without name, family and source.
// A field that is left out has the default of the family's configuration class in Hugging Face
// transformers 4.5x.
#pragma once

#include "jobs/config_fields.hpp"
#include "jobs/model_shape.hpp"

namespace forerun {

// llama_families.cpp
[[nodiscard]] ModelShape read_llama(const ConfigFields& fields);
[[nodiscard]] ModelShape read_mistral(const ConfigFields& fields);
[[nodiscard]] ModelShape read_phi3(const ConfigFields& fields);
[[nodiscard]] ModelShape read_qwen2(const ConfigFields& fields);
[[nodiscard]] ModelShape read_qwen3(const ConfigFields& fields);
[[nodiscard]] ModelShape read_gemma(const ConfigFields& fields);
[[nodiscard]] ModelShape read_gemma2(const ConfigFields& fields);
[[nodiscard]] ModelShape read_gemma3(const ConfigFields& fields);
[[nodiscard]] ModelShape read_gemma3_text(const ConfigFields& fields);

// gpt_families.cpp
[[nodiscard]] ModelShape read_gpt2(const ConfigFields& fields);
[[nodiscard]] ModelShape read_gptj(const ConfigFields& fields);
[[nodiscard]] ModelShape read_gpt_neox(const ConfigFields& fields);
[[nodiscard]] ModelShape read_opt(const ConfigFields& fields);
[[nodiscard]] ModelShape read_bloom(const ConfigFields& fields);
[[nodiscard]] ModelShape read_falcon(const ConfigFields& fields);
[[nodiscard]] ModelShape read_mpt(const ConfigFields& fields);
[[nodiscard]] ModelShape read_phi(const ConfigFields& fields);

// expert_families.cpp
[[nodiscard]] ModelShape read_mixtral(const ConfigFields& fields);
[[nodiscard]] ModelShape read_granitemoe(const ConfigFields& fields);
[[nodiscard]] ModelShape read_qwen2_moe(const ConfigFields& fields);
[[nodiscard]] ModelShape read_qwen3_moe(const ConfigFields& fields);
[[nodiscard]] ModelShape read_deepseek_v2(const ConfigFields& fields);
[[nodiscard]] ModelShape read_deepseek_v3(const ConfigFields& fields);
[[nodiscard]] ModelShape read_glm4_moe(const ConfigFields& fields);
[[nodiscard]] ModelShape read_gpt_oss(const ConfigFields& fields);
[[nodiscard]] ModelShape read_llama4(const ConfigFields& fields);
[[nodiscard]] ModelShape read_llama4_text(const ConfigFields& fields);

// hybrid_families.cpp
[[nodiscard]] ModelShape read_mamba(const ConfigFields& fields);
[[nodiscard]] ModelShape read_mamba2(const ConfigFields& fields);
[[nodiscard]] ModelShape read_jamba(const ConfigFields& fields);
[[nodiscard]] ModelShape read_nemotron_h(const ConfigFields& fields);
[[nodiscard]] ModelShape read_qwen3_next(const ConfigFields& fields);
[[nodiscard]] ModelShape read_bamba(const ConfigFields& fields);
[[nodiscard]] ModelShape read_granitemoehybrid(const ConfigFields& fields);

}  // namespace forerun
