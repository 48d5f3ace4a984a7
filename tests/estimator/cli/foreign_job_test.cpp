// Jobs of other frameworks are read as those frameworks would, and what --emit writes reads back as
// the same job.
#include "estimator/cli/foreign_job.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/cli/job_estimate.hpp"
#include "estimator/cli/shell_words.hpp"
#include "estimator/plan/launch_flags.hpp"
#include "jobs/read_model.hpp"
#include "tests/estimator/cli/parse.hpp"
#include "tests/golden/program.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::string entry(const ForeignJob& job, const std::string& name) {
  std::string text = "absent";
  for (const JobFileEntry& one : job.entries) {
    text = one.name == name ? one.value.text : text;
  }
  return text;
}

std::vector<std::string> texts_of(const std::string& script) {
  std::vector<std::string> texts;
  for (const ShellWord& word : arguments_of(read_shell(script, "train.sh"))) {
    texts.push_back(word.text);
  }
  return texts;
}

TEST(ShellWords, FollowVariablesArraysAndSums) {
  const auto words = texts_of(
      "#!/bin/bash\n"
      "GPUS=8\nNODES=${NODES:-4}\nWORLD=$(($GPUS*NODES))\n"
      "MODEL=(\n  --num-layers 12  # a comment\n  --hidden-size \"768\"\n)\n"
      "MODEL+=(--swiglu)\n"
      "MORE=\"--seq-length 1024 --bf16\"\n"
      "torchrun --nproc_per_node $GPUS --nnodes ${NODES} pretrain_gpt.py \\\n"
      "  \"${MODEL[@]}\" $MORE --global-batch-size $WORLD\n");
  EXPECT_THAT(words,
              ::testing::ElementsAre("torchrun",
                                     "--nproc_per_node",
                                     "8",
                                     "--nnodes",
                                     "4",
                                     "pretrain_gpt.py",
                                     "--num-layers",
                                     "12",
                                     "--hidden-size",
                                     "768",
                                     "--swiglu",
                                     "--seq-length",
                                     "1024",
                                     "--bf16",
                                     "--global-batch-size",
                                     "32"));
}

// As in Megatron-LM's example for Mixtral.
TEST(ShellWords, TakeDefaultsOutOfTheirQuotes) {
  EXPECT_THAT(texts_of("NODES=${SLURM_NNODES:-\"16\"}\nGPUS=${GPUS:-${PER_NODE:-8}}\n"
                       "p --nnodes $NODES --world $(($NODES*$GPUS)) ${A:-'--x' 1} \"${B:-c d}\"\n"),
              ::testing::ElementsAre("p", "--nnodes", "16", "--world", "128", "--x", "1", "c d"));
}

TEST(ShellWords, LeaveOutBranchesAndSayWhere) {
  const ShellReading reading = read_shell(
      "TP=2\nif [ $FAST = 1 ]; then\n  TP=8\nfi\npretrain --tensor-model-parallel-size $TP\n",
      "train.sh");
  ASSERT_EQ(reading.commands.size(), 1U);
  EXPECT_EQ(reading.commands.front().back().text, "2");
  EXPECT_THAT(reading.notes, ::testing::ElementsAre("line 2: if"));
}

TEST(ShellWords, EndOnAnyText) {
  for (const char* text : {"",
                           "\"",
                           "'",
                           "${",
                           "$((",
                           "$(",
                           "${a:-${b:-",
                           "${a:-\"",
                           "A=(",
                           "A=( < > )",
                           "--x \\",
                           "$",
                           "$((1/0)) --x",
                           "A=\v --x"}) {
    EXPECT_NO_THROW(static_cast<void>(read_shell(text, "train.sh"))) << text;
  }
}

// Some lines that a shell would run for long, or without end.
TEST(ShellWords, FollowNoVariableThatFillsTheMemory) {
  for (const std::string line : {"A=$A$A", "A=\"$A $A\"", "A+=(${A[@]} ${A[@]})"}) {
    std::string script = "A=xxxxxxxx\n";
    for (int i = 0; i < 40; ++i) {
      script += line + "\n";
    }
    EXPECT_THROW(static_cast<void>(texts_of(script + "p --x $A\n")), InputError) << line;
  }
}

TEST(ShellWords, KeepDeepAndLongTextsShort) {
  constexpr std::size_t many = 500'000;
  const auto repeated = [](const std::string& text) {
    std::string all;
    for (std::size_t i = 0; i < many; ++i) {
      all += text;
    }
    return all;
  };
  for (const char* text : {"A=(", "A=1 ", "$((", "$(", "${", "a", "(", "-="}) {
    EXPECT_NO_THROW(static_cast<void>(texts_of(repeated(text)))) << text;
  }
  EXPECT_THROW(static_cast<void>(texts_of(repeated("${a:-"))), InputError);
}

TEST(ShellWords, LeaveASumAsItIsThatOverflows) {
  EXPECT_THAT(texts_of("p --x $((3000000000*3000000000*3000000000))\n").back(), HasSubstr("$(("));
  EXPECT_EQ(texts_of("p --x $((1024 * 8192 * 1000000))\n").back(), "8388608000000");
}

const char* const gpt3_script =
    "#!/bin/bash\n"
    "GPUS_PER_NODE=8\nNUM_NODES=16\n"
    "GPT_MODEL_ARGS=(--num-layers 96 --hidden-size 12288 --num-attention-heads 96 "
    "--seq-length 2048 --max-position-embeddings 2048 --attention-backend auto)\n"
    "TRAINING_ARGS=(--micro-batch-size 1 --global-batch-size 1536 --train-iters 500000 "
    "--weight-decay 0.1 --fp16 --clip-grad 1.0 --lr 6.0e-5)\n"
    "MODEL_PARALLEL_ARGS=(--tensor-model-parallel-size 8 --pipeline-model-parallel-size 16)\n"
    "DATA_ARGS=(--data-path $DATA_PATH --vocab-file $VOCAB_FILE --split 949,50,1 "
    "--tokenizer-type GPT2BPETokenizer)\n"
    "torchrun --nproc_per_node $GPUS_PER_NODE --nnodes $NUM_NODES pretrain_gpt.py "
    "${GPT_MODEL_ARGS[@]} ${TRAINING_ARGS[@]} ${MODEL_PARALLEL_ARGS[@]} ${DATA_ARGS[@]}\n";

TEST(ForeignJob, ReadsWeightsInEightBits) {
  const std::string arguments =
      "--num-layers 2 --hidden-size 64 --num-attention-heads 4 --seq-length 32 "
      "--max-position-embeddings 32 --micro-batch-size 1 --global-batch-size 8 --bf16 "
      "--vocab-size 512 --fp8-format hybrid --fp8-param-gather";
  const ForeignJob job = read_megatron_job(arguments, "args.txt");
  EXPECT_EQ(entry(job, "precision"), "fp8");
  EXPECT_EQ(entry(job, "fp8-param-gather"), "on");
}

// The shape of Megatron-LM's examples/gpt3/train_gpt3_175b_distributed.sh.
TEST(ForeignJob, ReadsAMegatronScript) {
  EXPECT_EQ(job_format_of("train.sh", gpt3_script), JobFormat::megatron);
  const ForeignJob job = read_megatron_job(gpt3_script, "train.sh");
  EXPECT_EQ(entry(job, "layout"), "tp=8,pp=16,dp=1");
  EXPECT_EQ(entry(job, "devices"), "128");
  EXPECT_EQ(entry(job, "batch"), "1536");
  EXPECT_EQ(entry(job, "seq"), "2048");
  EXPECT_EQ(entry(job, "precision"), "fp16");
  EXPECT_EQ(entry(job, "zero"), "0");
  EXPECT_EQ(entry(job, "sp"), "off");
  EXPECT_EQ(entry(job, "recompute"), "absent");
  EXPECT_EQ(entry(job, "tokens"), "1572864000000");  // 500,000 x 1,536 x 2,048
  ASSERT_TRUE(job.model);
  EXPECT_EQ(job.model->layers, 96);
  EXPECT_EQ(job.model->ffn_hidden, 4 * 12288);
  EXPECT_EQ(job.model->attention.head_size, 128);
  EXPECT_EQ(job.model->vocabulary, 50257);
  EXPECT_TRUE(job.model->tied_embeddings);
  EXPECT_TRUE(job.software->dropout);  // Megatron's default is 0.1
  EXPECT_FALSE(job.software->overlaps_gradient_reduce);
  EXPECT_THAT(job.unread, Contains("lr"));
  EXPECT_THAT(job.unread, ::testing::Not(Contains("num-layers")));
}

TEST(ForeignJob, TellsAHostThatWaitsForKernels) {
  const std::string options =
      "pretrain_gpt.py --num-layers 2 --hidden-size 64 \\\n"
      "  --num-attention-heads 2 --seq-length 64\n";
  const auto waits = [](const std::string& script) {
    return read_megatron_job(script, "train.sh", 1).blocks_launches;
  };
  EXPECT_FALSE(waits(options));
  EXPECT_FALSE(waits("export CUDA_LAUNCH_BLOCKING=0\n" + options));
  EXPECT_TRUE(waits("export CUDA_LAUNCH_BLOCKING=1\n" + options));
  EXPECT_TRUE(waits("CUDA_LAUNCH_BLOCKING=1 " + options));
  EXPECT_FALSE(waits(options + "export CUDA_LAUNCH_BLOCKING=1\n"));
}

TEST(ForeignJob, ABlockingHostBelongsToTheScriptAndNotToItsSoftware) {
  const TestFolder folder;
  folder.write("train.sh", "export CUDA_LAUNCH_BLOCKING=1\n" + std::string(gpt3_script));
  const std::string path = (folder.path() / "train.sh").string();
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.begin() + 1, {"--job", path});
    return options_of(words);
  };
  EXPECT_EQ(
      with({"estimate", "--cluster", "dgx-a100", "--software", "megatron-2021"}).launch_blocking,
      true);
  EXPECT_EQ(with({"estimate", "--cluster", "dgx-a100", "--launch-blocking", "off"}).launch_blocking,
            false);
  EXPECT_EQ(with({"plan", "--cluster", "dgx-a100"}).launch_blocking, true);
  EXPECT_THROW((void)with({"estimate", "--cluster", "dgx-a100", "--overlap", "on"}), InputError);
  EXPECT_FALSE(with({"rehearse"}).software);
}

TEST(ForeignJob, ReadsMegatronsOptimizerOnTheHost) {
  const std::string start =
      "--num-layers 4 --hidden-size 64 --num-attention-heads 4 --vocab-size 100 ";
  EXPECT_EQ(entry(read_megatron_job(start, "a"), "offload"), "absent");
  const ForeignJob job =
      read_megatron_job(start + "--optimizer-cpu-offload --optimizer-offload-fraction 0.5", "a");
  EXPECT_EQ(entry(job, "offload"), "optimizer");
  EXPECT_THAT(job.notes, Contains(HasSubstr("optimizer-offload-fraction 0.5")));
}

TEST(ForeignJob, NamesTheVariableThatAScriptDoesNotSet) {
  try {
    static_cast<void>(read_megatron_job("train --num-layers $LAYERS --hidden-size 8\n", "a.sh"));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.sh:1: --num-layers: '$LAYERS'"));
    EXPECT_THAT(error.what(), HasSubstr("does not set this variable"));
  }
}

TEST(ForeignJob, PlacesExpertsAsMegatronsPatternSays) {
  const std::string start =
      "--num-layers 4 --hidden-size 64 --num-attention-heads 4 --vocab-size 100 --num-experts 8 "
      "--tensor-model-parallel-size 2 --moe-layer-freq ";
  const ForeignJob one = read_megatron_job(start + "\"([0]*1+[1]*3)\"", "a");
  EXPECT_EQ(one.model->moe->dense_layers, 1);
  EXPECT_EQ(entry(one, "layout"), "tp=2,etp=2");  // experts are split as the rest unless told
  const ForeignJob every_second = read_megatron_job(start + "2", "a");
  EXPECT_EQ(kind_of(*every_second.model, 0).ffn, FeedForward::experts);
  EXPECT_EQ(kind_of(*every_second.model, 1).ffn, FeedForward::dense);
  EXPECT_THROW(static_cast<void>(read_megatron_job(start + "[1,1]", "a")), InputError);
}

TEST(ForeignJob, CutsLayersAsMegatronsArgumentsSay) {
  const auto split = [](const std::string& more) {
    return entry(read_megatron_job("--num-layers 61 --hidden-size 64 --num-attention-heads 4 "
                                   "--vocab-size 100 --pipeline-model-parallel-size 4 " +
                                       more,
                                   "a"),
                 "stage-layers");
  };
  EXPECT_EQ(split(""), "absent");
  EXPECT_EQ(split("--account-for-embedding-in-pipeline-split "
                  "--account-for-loss-in-pipeline-split"),
            "ends:1+1");
  EXPECT_EQ(split("--account-for-loss-in-pipeline-split"), "ends:0+1");
  EXPECT_EQ(split("--decoder-last-pipeline-num-layers 13"), "16+16+16+13");
  EXPECT_EQ(split("--decoder-first-pipeline-num-layers 15 --decoder-last-pipeline-num-layers 14"),
            "15+16+16+14");
  // 14, 17, 17 and 13 layers do not all halve.
  EXPECT_THROW(
      split("--num-virtual-stages-per-pipeline-rank 2 "
            "--decoder-first-pipeline-num-layers 14 --decoder-last-pipeline-num-layers 13"),
      InputError);
  EXPECT_EQ(split("--num-virtual-stages-per-pipeline-rank 1 "
                  "--decoder-first-pipeline-num-layers 1"),
            "1+20+20+20");
  EXPECT_THROW(split("--decoder-first-pipeline-num-layers 2"), InputError);  // 59 on three stages
}

// The layout that Megatron-Bridge gives DeepSeek-V3: 32 chunks of two layers, fewer at the end.
TEST(ForeignJob, SpellsAMegatronLayoutOut) {
  const auto split = [](const std::string& layout) {
    return entry(read_megatron_job("--num-layers 61 --hidden-size 64 --num-attention-heads 4 "
                                   "--vocab-size 100 --pipeline-model-parallel-layout '" +
                                       layout + "'",
                                   "a"),
                 "stage-layers");
  };
  std::string expected = "3";
  for (int chunk = 0; chunk < 29; ++chunk) {
    expected += "+2";
  }
  EXPECT_EQ(split("Et*3|(tt|)*29,m|L"), expected + "+0+0");
  EXPECT_EQ(split("E((t|)*2tt|)*2tL"), "1+1+2+1+1+2+1");
  for (const char* wrong : {"Et*3|(tt|",
                            "Et)|L",
                            "Ex|L",
                            "Et*|L",
                            "Et*9999999999|L",
                            "(((((((((t*99)*99)*99)*99)*99)*99)*99)*99)*99)"}) {
    EXPECT_THROW(static_cast<void>(split(wrong)), InputError) << wrong;
  }
}

// torchtitan's train_configs/llama3_405b.toml of 2025.
TEST(ForeignJob, ReadsATorchtitanToml) {
  const std::string text =
      "[model]\nname = \"llama3\"\nflavor = \"405B\"\nconverters = [\"float8\"]\n"
      "[training]\nlocal_batch_size = 2\nseq_len = 8192\nsteps = 3000\n"
      "[parallelism]\ndata_parallel_replicate_degree = 1\ndata_parallel_shard_degree = 16\n"
      "tensor_parallel_degree = 8\nenable_async_tensor_parallel = true\n"
      "pipeline_parallel_degree = 1\ncontext_parallel_degree = 1\n"
      "[activation_checkpoint]\nmode = \"full\"\n[compile]\nenable = true\n[optimizer]\nlr = "
      "8e-5\n";
  EXPECT_EQ(job_format_of("llama3_405b.toml", text), JobFormat::torchtitan);
  const ForeignJob job = read_torchtitan_job(text, "llama3_405b.toml");
  EXPECT_EQ(entry(job, "model"), "llama-3.1-405b");
  EXPECT_EQ(entry(job, "layout"), "tp=8,dp=16");
  EXPECT_EQ(entry(job, "devices"), "128");
  EXPECT_EQ(entry(job, "batch"), "32");
  EXPECT_EQ(entry(job, "micro-batch"), "2");
  EXPECT_EQ(entry(job, "precision"), "fp8");
  EXPECT_EQ(entry(job, "recompute"), "full");
  EXPECT_EQ(entry(job, "zero"), "3");
  EXPECT_TRUE(job.software->overlaps_tensor_backward);
  EXPECT_FALSE(job.keeps_gathered_weights);
  EXPECT_THAT(job.unread, Contains("optimizer.lr"));
}

// As torchtitan's own files have it: all devices that the other degrees leave.
TEST(ForeignJob, ReadsATorchtitanTomlThatShardsOverTheRest) {
  const std::string text =
      "[model]\nname = \"llama3\"\nflavor = \"70B\"\n"
      "[training]\nlocal_batch_size = 8\nglobal_batch_size = -1\nseq_len = 8192\n"
      "[parallelism]\ndata_parallel_replicate_degree = 1\ndata_parallel_shard_degree = -1\n"
      "tensor_parallel_degree = 8\n[activation_checkpoint]\nmode = \"full\"\n";
  const ForeignJob job = read_torchtitan_job(text, "llama3_70b.toml");
  EXPECT_EQ(entry(job, "layout"), "tp=8");
  EXPECT_EQ(entry(job, "zero"), "3");
  EXPECT_EQ(entry(job, "micro-batch"), "8");
  const ForeignJob sized = read_torchtitan_job(text, "llama3_70b.toml", 256);
  EXPECT_EQ(entry(sized, "layout"), "tp=8,dp=32");
  EXPECT_EQ(entry(sized, "batch"), "256");
  EXPECT_THROW((void)read_torchtitan_job(text, "llama3_70b.toml", 12), InputError);
  EXPECT_THROW((void)read_torchtitan_job("[parallelism]\ndata_parallel_shard_degree = -2\n", "a"),
               InputError);
}

// The settings of NeMo-Framework-Launcher's training/llama/llama3_1_405b.yaml that cost anything.
TEST(ForeignJob, ReadsANemoYaml) {
  const std::string text =
      "training:\n  trainer:\n    num_nodes: 576\n    devices: 8\n    precision: bf16\n"
      "    max_steps: 300000\n  model:\n    micro_batch_size: 1\n    global_batch_size: 2016\n"
      "    tensor_model_parallel_size: 8\n    pipeline_model_parallel_size: 9\n"
      "    virtual_pipeline_model_parallel_size: 7\n    context_parallel_size: 2\n"
      "    encoder_seq_length: 8192\n    max_position_embeddings: ${.encoder_seq_length}\n"
      "    num_layers: 126\n    hidden_size: 16384\n    ffn_hidden_size: 53248\n"
      "    num_attention_heads: 128\n    num_query_groups: 16\n    hidden_dropout: 0.0\n"
      "    kv_channels: null\n    normalization: rmsnorm\n    bias: false\n"
      "    activation: fast-swiglu\n    position_embedding_type: rope\n"
      "    share_embeddings_and_output_weights: false\n    override_vocab_size: 128256\n"
      "    activations_checkpoint_granularity: null\n    sequence_parallel: true\n"
      "    overlap_p2p_comm: true\n    optim:\n      name: distributed_fused_adam\n"
      "      overlap_grad_sync: true\n      overlap_param_sync: true\n      lr: 0.00015\n";
  const ForeignJob job = read_nemo_job(text, "a.yaml");
  EXPECT_EQ(entry(job, "layout"), "tp=8,cp=2,pp=9,vp=7,dp=32");
  EXPECT_EQ(entry(job, "devices"), "4608");
  EXPECT_EQ(entry(job, "zero"), "1");
  EXPECT_EQ(entry(job, "recompute"), "absent");
  EXPECT_EQ(entry(job, "sp"), "on");
  EXPECT_EQ(job.model->max_positions, 8192);
  EXPECT_EQ(job.model->attention.kv_heads, 16);
  EXPECT_EQ(job.model->activation, Activation::swiglu);
  EXPECT_FALSE(job.model->mlp_bias);
  EXPECT_THAT(job.unread, Contains("model.optim.lr"));
  EXPECT_THROW(static_cast<void>(read_nemo_job("a: [", "b.yaml")), InputError);
  EXPECT_THROW(static_cast<void>(read_nemo_job("just text", "b.yaml")), InputError);
}

std::string refusal_of(const std::string& file, const std::string& text) {
  try {
    static_cast<void>(read_foreign_job(job_format_of(file, text), text, file));
  } catch (const InputError& error) {
    return error.what();
  }
  return "read";
}

// Each would overflow a product, divide by nothing or fill the memory.
TEST(ForeignJob, RefusesCountsThatNoJobHas) {
  const std::string model =
      "--hidden-size 64 --num-attention-heads 4 --vocab-size 512 --seq-length 64 ";
  EXPECT_THAT(refusal_of("a.sh",
                         "--tensor-model-parallel-size 4294967296 "
                         "--pipeline-model-parallel-size 4294967296 --nproc-per-node 8"),
              HasSubstr("'4294967296' is more than any job has"));
  EXPECT_THAT(refusal_of("a.sh",
                         "--tensor-model-parallel-size 65536 "
                         "--pipeline-model-parallel-size 65536 --nproc-per-node 8"),
              HasSubstr("65536 x 1 x 65536 multiply to more than any job has"));
  EXPECT_THAT(refusal_of("a.sh", model + "--num-layers 1000000000"),
              HasSubstr("1000000000 layers are too many (expected at most 10000)"));
  EXPECT_THAT(
      refusal_of("a.sh",
                 model + "--num-layers 2 --num-experts 8 --moe-layer-freq '([0,0]*9999+[1]*9999)'"),
      HasSubstr("names more than 10000 layers"));
  EXPECT_THAT(refusal_of("a.sh",
                         model + "--num-layers 8 --pipeline-model-parallel-size 1000000000 "
                                 "--decoder-first-pipeline-num-layers 1"),
              HasSubstr("leaves 8 layers for 1000000000 x 1 chunks"));
  EXPECT_THAT(refusal_of("a.sh",
                         model + "--num-layers 2 --ffn-hidden-size 1000000000 "
                                 "--num-experts 1000000000"),
              HasSubstr("more than 1e17 parameters"));
  EXPECT_THAT(refusal_of("a.toml", "[parallelism]\npipeline_parallel_degree = 0\n"),
              HasSubstr("'0' is not a whole number of at least 1"));
}

// Ten lines of aliases stand for 10^9 settings.
TEST(ForeignJob, FollowsNoAliasThatFillsTheMemory) {
  std::string text = "a0: &a0 {x: 1}\n";
  for (int i = 1; i < 10; ++i) {
    text += fmt::format("a{0}: &a{0} {{", i);
    for (int j = 0; j < 10; ++j) {
      text += fmt::format("{}b{}: *a{}", j == 0 ? "" : ", ", j, i - 1);
    }
    text += "}\n";
  }
  EXPECT_THAT(refusal_of("a.yaml", text), HasSubstr("holds more than 10000 values"));
}

TEST(ForeignJob, TellsFormatsApart) {
  EXPECT_EQ(job_format_of("a.toml", "model = \"gpt2\"\n"), JobFormat::ours);
  EXPECT_EQ(job_format_of("job", "# a comment\nmodel = \"gpt2\"\n"), JobFormat::ours);
  EXPECT_EQ(job_format_of("args.txt", "# a\n--bf16\n"), JobFormat::megatron);
  EXPECT_EQ(job_format_of("a.yml", ""), JobFormat::nemo);
}

struct Sent {
  const char* model;
  const char* layout;
  std::int64_t batch = 64;
  std::int64_t micro_batch = 1;
  RecomputePolicy recompute = {};
  ZeroStage zero = ZeroStage::optimizer;
  Overlap overlap = Overlap::on;
  std::int64_t group = 0;
  std::int64_t sequence = 4096;
  StageSplit split = {};
};

// A job to the framework's settings, read back, estimated: against the estimate of the job.
void expect_same(const Sent& sent, LaunchFormat format) {
  Options options;
  options.models = {sent.model};
  options.cluster = "dgx-h100";
  options.layout = sent.layout;
  options.devices = 64;
  options.batch = sent.batch;
  options.micro_batch = sent.micro_batch;
  options.sequence = sent.sequence;
  options.recompute = sent.recompute;
  options.zero = sent.zero;
  if (sent.group > 0) {
    options.shard_group = sent.group;
  }
  options.overlap = sent.overlap;
  options.stage_split = sent.split;
  options.software =
      *software_preset(format == LaunchFormat::torchtitan ? "torchtitan" : "megatron-core");
  const JobEstimate direct = estimate_from(options);
  const std::string text = launch_text(direct.request.job, sent.overlap, format);
  EXPECT_THAT(text, ::testing::Not(HasSubstr("no setting for"))) << text;
  const TestFolder folder;
  const std::string name = format == LaunchFormat::megatron ? "args.txt"
                           : format == LaunchFormat::nemo   ? "job.yaml"
                                                            : "job.toml";
  folder.write(name, text);
  const JobEstimate back = estimate_from(options_of({"estimate",
                                                     "--job",
                                                     (folder.path() / name).string(),
                                                     "--devices",
                                                     "64",
                                                     "--cluster",
                                                     "dgx-h100"}));
  EXPECT_NEAR(back.step_time / direct.step_time, 1.0, 1e-12) << text;
  EXPECT_NEAR(back.memory_peak / direct.memory_peak, 1.0, 1e-12) << text;
  EXPECT_NEAR(back.step.model_flops / direct.step.model_flops, 1.0, 1e-12) << text;
}

TEST(ForeignJob, MegatronsArgumentsComeBackAsTheSameJob) {
  const auto megatron = LaunchFormat::megatron;
  expect_same({.model = "llama-3-70b", .layout = "tp=8,pp=4,vp=2,dp=2"}, megatron);
  expect_same({.model = "llama-3-8b", .layout = "tp=2,cp=2,dp=16", .overlap = Overlap::off},
              megatron);
  expect_same({.model = "gpt3-175b",
               .layout = "tp=8,pp=8,dp=1",
               .micro_batch = 2,
               .recompute = {Recompute::block, {}, 3},
               .sequence = 2048},
              megatron);
  expect_same({.model = "qwen2.5-7b",
               .layout = "tp=1,dp=64",
               .recompute = {Recompute::full, {}, 0},
               .zero = ZeroStage::parameters,
               .group = 8},
              megatron);
  expect_same({.model = "llama-3-70b",
               .layout = "tp=8,pp=4,vp=2,dp=2",
               .split = {StageSplit::Kind::counted, 0, 3, {}}},
              megatron);
  expect_same({.model = "llama-3-8b",
               .layout = "tp=2,pp=4,dp=8",
               .split = {StageSplit::Kind::listed, 0, 0, {9, 10, 9, 4}}},
              megatron);
  expect_same({.model = "mixtral-8x7b", .layout = "tp=2,pp=2,ep=8,dp=16"}, megatron);
  expect_same({.model = "deepseek-v2-lite", .layout = "tp=1,ep=8,dp=64"}, megatron);
  expect_same({.model = "qwen3-8b",
               .layout = "tp=4,dp=16",
               .recompute = {Recompute::selective, {}, 0},
               .zero = ZeroStage::none},
              megatron);
}

TEST(ForeignJob, TorchtitansTomlComesBackAsTheSameJob) {
  const auto titan = LaunchFormat::torchtitan;
  expect_same({.model = "llama-3-8b", .layout = "dp=64", .zero = ZeroStage::parameters}, titan);
  expect_same({.model = "llama-3-70b",
               .layout = "tp=8,dp=8",
               .batch = 64,
               .micro_batch = 2,
               .recompute = {Recompute::full, {}, 0},
               .zero = ZeroStage::parameters},
              titan);
  expect_same({.model = "llama-3-8b",
               .layout = "tp=2,pp=4,vp=2,dp=8",
               .zero = ZeroStage::parameters,
               .group = 4},
              titan);
  expect_same({.model = "llama-3-8b", .layout = "dp=64", .zero = ZeroStage::none}, titan);
  // Two of eight layers: every fourth.
  expect_same({.model = "llama-3.1-405b",
               .layout = "tp=4,pp=16,dp=1",
               .recompute = {Recompute::block, {}, 2},
               .zero = ZeroStage::none},
              titan);
}

TEST(ForeignJob, NemosYamlComesBackAsTheSameJob) {
  const auto nemo = LaunchFormat::nemo;
  expect_same({.model = "llama-3-70b", .layout = "tp=8,pp=4,vp=2,dp=2"}, nemo);
  expect_same({.model = "llama-3-8b",
               .layout = "tp=2,dp=32",
               .recompute = {Recompute::block, {}, 5},
               .overlap = Overlap::off},
              nemo);
  expect_same({.model = "gpt3-175b",
               .layout = "tp=8,pp=8,dp=1",
               .recompute = {Recompute::selective, {}, 0},
               .zero = ZeroStage::none,
               .sequence = 2048},
              nemo);
  expect_same({.model = "llama-3-8b",
               .layout = "tp=2,pp=2,dp=16",
               .split = {StageSplit::Kind::counted, 1, 1, {}}},
              nemo);
}

// Most scripts leave the vocabulary to a tokenizer that is not at hand.
TEST(ForeignJob, TakesTheModelFromAFlagWhereTheFileLacksItsVocabulary) {
  const TestFolder folder;
  folder.write("a.sh",
               "p --num-layers 32 --hidden-size 4096 --num-attention-heads 32 --seq-length 4096 "
               "--micro-batch-size 1 --global-batch-size 64 --bf16 --tokenizer-type "
               "Llama2Tokenizer\n");
  folder.write("a.yaml",
               "trainer:\n  devices: 8\n  max_steps: -1\nmodel:\n  num_layers: 32\n"
               "  hidden_size: 4096\n  num_attention_heads: 32\n  encoder_seq_length: 4096\n"
               "  micro_batch_size: 1\n  global_batch_size: 64\n");
  for (const char* name : {"a.sh", "a.yaml"}) {
    const std::string path = (folder.path() / name).string();
    EXPECT_THROW((void)options_of({"estimate", "--job", path, "--cluster", "dgx-h100"}), InputError)
        << name;
    const Options named =
        options_of({"estimate", "--job", path, "--cluster", "dgx-h100", "--model", "llama-2-7b"});
    EXPECT_EQ(named.models, std::vector<std::string>{"llama-2-7b"}) << name;
    EXPECT_FALSE(named.stated_model) << name;
  }
}

TEST(ForeignJob, AFlagBeatsTheFileAndPlanChoosesTheLayout) {
  const TestFolder folder;
  folder.write("train.sh", gpt3_script);
  const std::string path = (folder.path() / "train.sh").string();
  const Options given = options_of(
      {"estimate", "--job", path, "--batch", "128", "--model", "gpt2", "--cluster", "dgx-a100"});
  EXPECT_EQ(given.batch, 128);
  EXPECT_EQ(given.models, std::vector<std::string>{"gpt2"});
  EXPECT_EQ(given.layout, "tp=8,pp=16,dp=1");
  const Options plan = options_of({"plan", "--job", path, "--cluster", "dgx-a100"});
  EXPECT_FALSE(plan.layout);
  EXPECT_FALSE(plan.micro_batch);
  EXPECT_EQ(plan.device_set, std::vector<std::int64_t>{128});
  EXPECT_EQ(plan.batch_set, std::vector<std::int64_t>{1536});
  EXPECT_THAT(plan.job_notes, Contains(HasSubstr("without effect on cost: ")));
}

}  // namespace
}  // namespace forerun
