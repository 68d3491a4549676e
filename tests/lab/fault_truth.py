"""Which requests a scenario's fault really befell, by the logs of the wire, the server and the client."""

import json
import pathlib

import wirelog


def read_jsonl(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def struck(folder: pathlib.Path, described: dict, log: list[wirelog.Frame]) -> set[str]:
    """Ids of the requests that the fault of `scenario.json` befell. A delay that nobody ordered counts as well."""
    fault = described["fault"]
    action, _, asked_us = fault["wire"].partition(" ")
    if action.startswith("delay"):
        return {unique for unique, span in wirelog.spans(log).items() if span.round_ns >= int(asked_us) * 1000}
    if action.startswith("lose"):
        return {frame.label for frame in log if frame.action == "dropped"}
    if action.startswith("reset"):
        told = {way: {frame.label for frame in log if frame.action == "injected" and frame.direction == way}
                for way in ("ab", "ba")}
        return told["ab"] & told["ba"] & not_answered(folder)
    if fault["kind"] == "client_slow":
        return {request["id"] for request in read_jsonl(folder / "truth" / "requests.jsonl") if request["paused_ns"]}
    rows = read_jsonl(folder / "truth" / "server.jsonl")
    if fault["kind"] == "reset":
        return {row["id"] for row in rows if row["reset"]} & not_answered(folder)
    return {row["id"] for row in rows if row["sleep_ms"] or row["paused_ns"]}


def not_answered(folder: pathlib.Path) -> set[str]:
    return {request["id"] for request in read_jsonl(folder / "truth" / "requests.jsonl") if request["status"] == 0}


def mistakes(folder: pathlib.Path, described: dict, log: list[wirelog.Frame]) -> int:
    """How many requests the fault missed, or befell although they were not chosen (a delay may, on a busy machine)."""
    chosen, found = set(described["fault"]["requests"]), struck(folder, described, log)
    surplus = set() if described["fault"]["kind"] == "slow_segment" else found - chosen
    return len(chosen - found) + len(surplus)
