#include "export/transport/probe_sessions.h"

#include <utility>

namespace hoptap::exporting {

void ProbeSessions::enter(const std::string& instance, const std::shared_ptr<SessionStream>& stream) {
  std::shared_ptr<SessionStream> older;
  std::shared_ptr<SessionStream> never_went;
  {
    const std::lock_guard lock(mutex_);
    forget_idle();
    Session& session = sessions_.try_emplace(instance, Session{nullptr, nullptr, fresh_}).first->second;
    if (session.holder == nullptr) {
      session.holder = stream;
    } else {
      older = session.holder;
      never_went = std::exchange(session.waiting, stream);
    }
  }
  if (never_went != nullptr) never_went->replace();
  if (older != nullptr) {
    older->replace();
  } else {
    stream->go();
  }
}

void ProbeSessions::leave(const std::string& instance, const SessionStream* stream) {
  std::shared_ptr<SessionStream> gone;  // let go of outside the lock
  std::shared_ptr<SessionStream> next;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(instance);
    if (found == sessions_.end()) return;
    Session& session = found->second;
    if (session.waiting.get() == stream) gone = std::move(session.waiting);
    if (session.holder.get() == stream) {
      gone = std::exchange(session.holder, std::exchange(session.waiting, nullptr));
      next = session.holder;
    }
  }
  if (next != nullptr) next->go();
}

std::chrono::nanoseconds ProbeSessions::spend(const std::string& instance, std::uint64_t bytes,
                                              RateBucket::Instant now) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(instance);
  return found == sessions_.end() ? std::chrono::nanoseconds(0) : found->second.bucket.spend(bytes, now);
}

/// A probe that comes back at once finds its bucket as it left it; beyond idle_max_ such memories go.
void ProbeSessions::forget_idle() {
  if (sessions_.size() <= idle_max_) return;
  std::erase_if(sessions_, [](const auto& each) { return each.second.holder == nullptr; });
}

}  // namespace hoptap::exporting
