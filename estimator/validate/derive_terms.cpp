#include "estimator/validate/derive_terms.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/ostream.h>

#include "estimator/validate/quantile.hpp"

namespace forerun {
namespace {

constexpr double confidence = 0.90;
// What a 90 % band may cover of runs from sources that it has not seen: 90 % within 5 %.
constexpr double least_left_out_coverage = 0.85;

double needed(const TermObservation& observation) {
  return std::sqrt(
      std::max(0.0, std::pow(observation.error, 2) - std::pow(observation.own_error, 2)));
}

using Needs = std::vector<double>;

// What the runs of every source of one class need.
using Sources = std::map<std::string, Needs>;

Needs without(const Sources& sources, const std::string& left_out) {
  Needs others;
  for (const auto& [source, needs] : sources) {
    if (source != left_out) {
      others.insert(others.end(), needs.begin(), needs.end());
    }
  }
  return others;
}

DerivedTerm derive(const std::string& job_class, const Sources& sources) {
  const Needs all = without(sources, {});
  const auto rows = static_cast<double>(all.size());
  DerivedTerm derived;
  derived.term = {
      job_class, quantile_by_rank(all, confidence), std::ssize(all), std::ssize(sources)};
  if (sources.size() < 2) {
    return derived;
  }
  std::vector<double> ratios;
  double mean_width = 0.0;
  double covered = 0.0;
  for (const auto& [source, needs] : sources) {
    // Others that need nothing say nothing: then the class as a whole speaks.
    const double others = quantile_by_rank(without(sources, source), confidence);
    const double width = others > 0.0 ? others : std::max(derived.term.half_width, 1e-6);
    mean_width += static_cast<double>(needs.size()) / rows * width;
    for (const double need : needs) {
      ratios.push_back(need / width);
      covered += need <= width ? 1.0 : 0.0;
    }
  }
  derived.term.half_width =
      quantile_by_rank(std::move(ratios), least_left_out_coverage) * mean_width;
  derived.left_out_coverage = covered / rows;
  return derived;
}

}  // namespace

std::vector<DerivedTerm> derive_terms(const std::vector<TermObservation>& observations) {
  std::map<std::string, Sources> classes;
  for (const TermObservation& observation : observations) {
    classes[observation.job_class][observation.source].push_back(needed(observation));
  }
  std::vector<DerivedTerm> terms;
  terms.reserve(classes.size());
  for (const auto& [name, sources] : classes) {
    terms.push_back(derive(name, sources));
  }
  return terms;
}

void write_terms(const std::vector<DerivedTerm>& terms,
                 const std::string& table,
                 std::ostream& out) {
  fmt::print(
      out,
      "# How wrong the step model itself is, by class of job: half-widths at 90 %: the "
      "true time\n# lies between predicted / (1 + half-width) and predicted * (1 + half-width).\n"
      "# They set the widths of bands, never their centres.\n"
      "#\n"
      "# Derived by `forerun validate {} --terms-out FILE` from the runs that it\n"
      "# priced. A run needs sqrt(error^2 - own error^2), own error being that of its prices. "
      "Each source\n"
      "# of a class is left out once: the 90 % quantile of what the others need is its width. "
      "The term is\n"
      "# the mean of these widths over the runs, times the factor with which they cover 85 % "
      "of the runs\n"
      "# that were left out; left_out_coverage is what they cover without it.\n",
      table);
  for (const auto& [term, left_out] : terms) {
    fmt::print(out,
               "\n[[term]]\nclass = \"{}\"\nhalf_width = {:.3f}\nrows = {}\nsources = {}\n",
               term.job_class,
               term.half_width,
               term.rows,
               term.sources);
    if (left_out) {
      fmt::print(out, "left_out_coverage = {:.3f}\n", *left_out);
    }
  }
}

std::string source_family(const std::string& source) {
  const std::size_t end = source.find_first_of("(,0123456789/");
  std::string family = source.substr(0, end);
  while (family.ends_with(' ')) {
    family.pop_back();
  }
  return family;
}

}  // namespace forerun
