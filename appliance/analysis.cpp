#include "appliance/analysis.h"

namespace hoptap::appliance {

void Analysis::add(linker::Group&& group) {
  if (!status_) return;
  model_.learn_points(group);
  status_ = groups_.append(group);
}

base::Outcome<linker::RunVerdict> Analysis::finish(const TakeTrace& take) {
  if (!status_) return tl::unexpected(status_.error());
  const auto observed = groups_.for_each([this](linker::Group&& group) { model_.observe(group); });
  if (!observed) return tl::unexpected(observed.error());
  model_.solve_paths();
  const auto learned = groups_.for_each([this](linker::Group&& group) { model_.learn(std::move(group)); });
  if (!learned) return tl::unexpected(learned.error());
  model_.solve();
  linker::RunJudge run;
  const auto judged = each([&](linker::Trace&& trace, linker::Judgement&& judgement) {
    run.add(trace, judgement);
    take(std::move(trace), std::move(judgement));
  });
  if (!judged) return tl::unexpected(judged.error());
  places_refused_ = run.places_refused();
  scopes_refused_ = run.scopes_refused();
  return run.finish();
}

std::vector<std::pair<std::string, std::uint64_t>> Analysis::refused() const {
  const linker::PathCounters paths = model_.paths().counters();
  const linker::RunModel::Refused learned = model_.refused();
  return {{"variants_refused", paths.variants_refused}, {"hops_refused", paths.hops_refused},
          {"facets_refused", paths.facets_refused},     {"losses_refused", learned.losses},
          {"resets_refused", learned.resets},           {"clocks_refused", learned.clocks},
          {"baselines_refused", learned.baselines},     {"places_refused", places_refused_},
          {"scopes_refused", scopes_refused_}};
}

base::Outcome<void> Analysis::each(const TakeTrace& take) {
  const linker::Judge judge(model_.baseline());
  return groups_.for_each([&](linker::Group&& group) {
    linker::Trace trace = model_.trace_of(std::move(group));
    linker::Judgement judgement = judge.judge(trace);
    take(std::move(trace), std::move(judgement));
  });
}

}  // namespace hoptap::appliance
