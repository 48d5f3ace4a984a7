#include "estimator/validate/regret.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace forerun {
namespace {

// All that two layouts of one job share, as the table spells it.
std::vector<std::string> job_of(const TrainingRow& row) {
  std::vector<std::string> job{row.source};
  for (const char* column : {"model",
                             "layers",
                             "hidden",
                             "heads",
                             "seq_len",
                             "gpu",
                             "num_gpus",
                             "precision",
                             "global_batch",
                             "framework",
                             "recompute"}) {
    job.push_back(text_in(row.configuration, column));
  }
  return job;
}

Regret regret_of(const TrainingRow& first, const std::vector<const ValidationRow*>& rows) {
  const auto predicted = [](const ValidationRow* row) { return *row->predicted; };
  const auto published = [](const ValidationRow* row) { return *row->published; };
  const ValidationRow& chosen = **std::ranges::min_element(rows, {}, predicted);
  const ValidationRow& best = **std::ranges::min_element(rows, {}, published);
  Regret regret;
  regret.source = first.source;
  regret.what = fmt::format("{} on {} devices, batch {}",
                            text_in(first.configuration, "model"),
                            text_in(first.configuration, "num_gpus"),
                            text_in(first.configuration, "global_batch"));
  regret.layouts = rows.size();
  regret.chosen = chosen.id;
  regret.best = best.id;
  regret.ratio = *chosen.published / *best.published;
  return regret;
}

}  // namespace

std::vector<Regret> regrets_of(const std::vector<TrainingRow>& rows,
                               const std::vector<RowPrediction>& predictions) {
  std::map<std::vector<std::string>, std::vector<std::size_t>> jobs;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (is_priced(predictions[i].row)) {
      jobs[job_of(rows[i])].push_back(i);
    }
  }
  std::vector<Regret> regrets;
  for (const auto& [job, indices] : jobs) {
    if (indices.size() < 2) {
      continue;
    }
    std::vector<const ValidationRow*> members;
    for (const std::size_t i : indices) {
      members.push_back(&predictions[i].row);
    }
    regrets.push_back(regret_of(rows[indices.front()], members));
  }
  return regrets;
}

nlohmann::ordered_json regret_json(const std::vector<Regret>& regrets) {
  std::map<std::string, std::vector<const Regret*>> sources;
  for (const Regret& regret : regrets) {
    sources[regret.source].push_back(&regret);
  }
  auto json = nlohmann::ordered_json::array();
  for (const auto& [source, members] : sources) {
    double sum = 0.0;
    double most = 0.0;
    double right = 0.0;
    auto choices = nlohmann::ordered_json::array();
    for (const Regret* member : members) {
      sum += member->ratio - 1.0;
      most = std::max(most, member->ratio - 1.0);
      right += member->chosen == member->best ? 1.0 : 0.0;
      choices.push_back({{"what", member->what},
                         {"layouts", member->layouts},
                         {"chosen", member->chosen},
                         {"best", member->best},
                         {"regret", member->ratio - 1.0}});
    }
    const auto count = static_cast<double>(members.size());
    json.push_back({{"source", source},
                    {"choices", members.size()},
                    {"mean", sum / count},
                    {"max", most},
                    {"share_best", right / count},
                    {"rows", std::move(choices)}});
  }
  return json;
}

}  // namespace forerun
