#include "appliance/forge/random.h"

#include <bit>
#include <cmath>

#include "base/hash.h"

namespace hoptap::forge {
namespace {

std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

constexpr double kLn2 = 0.693147180559945309417;

}  // namespace

Random::Random(std::uint64_t seed, std::string_view purpose, std::uint64_t number) {
  std::uint64_t mixed = base::hash_values(seed, base::hash_bytes(base::as_bytes(purpose)), number);
  for (std::uint64_t& word : state_) word = split_mix(mixed);
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::unit() {
  constexpr double kStep = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>(next() >> 11) * kStep;
}

std::uint64_t Random::below(std::uint64_t limit) {
  const auto at = static_cast<std::uint64_t>(unit() * static_cast<double>(limit));
  return at < limit ? at : limit - 1;
}

bool Random::chance(double probability) { return probability > 0 && unit() < probability; }

double Random::normal() {
  for (;;) {  // Marsaglia's polar method: no sine, no cosine
    const double x = 2 * unit() - 1;
    const double y = 2 * unit() - 1;
    const double s = x * x + y * y;
    if (s < 1 && s > 0) return x * std::sqrt(-2 * natural_log(s) / s);
  }
}

double Random::exponential() { return -natural_log(1 - unit()); }

double natural_log(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  constexpr double kHalfRoot = 0.70710678118654752440;
  if (mantissa < kHalfRoot) {
    mantissa *= 2;
    --exponent;
  }
  const double t = (mantissa - 1) / (mantissa + 1);  // log m = 2 artanh t, |t| < 0.172
  const double square = t * t;
  double sum = 0;
  for (int n = 23; n >= 1; n -= 2) sum = sum * square + 1.0 / n;
  return 2 * t * sum + exponent * kLn2;
}

double natural_exp(double x) {
  const double turns = std::floor(x / kLn2 + 0.5);
  const double rest = x - turns * kLn2;  // |rest| < 0.35
  double sum = 1;
  for (int n = 16; n >= 1; --n) sum = 1 + sum * rest / n;
  return std::ldexp(sum, static_cast<int>(turns));
}

}  // namespace hoptap::forge
