"""Small statistics: Wilson's interval, quantiles, calibration."""

import math


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if trials == 0:
        return 0.0, 1.0
    z = 1.959964
    share = hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def share_text(hits: int, trials: int) -> str:
    """`99.95 % [99.9, 99.98] of 4000`."""
    if trials == 0:
        return "-"
    low, high = wilson(hits, trials)
    return f"{100 * hits / trials:.3f} % [{100 * low:.3f}, {100 * high:.3f}] of {trials}"


def quantile(values: list, share: float):
    """Of a list that need not be sorted; 0 when it is empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def calibration_error(claims: list[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence and share of right ones, over bins of confidence."""
    if not claims:
        return 0.0
    error = 0.0
    for at in range(bins):
        here = [claim for claim in claims if at == min(int(claim[0] * bins), bins - 1)]
        if here:
            claimed = sum(confidence for confidence, _ in here) / len(here)
            right = sum(hit for _, hit in here) / len(here)
            error += abs(claimed - right) * len(here) / len(claims)
    return error
