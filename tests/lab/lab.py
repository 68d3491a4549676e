"""hoptap's multi-point lab: real hosts' network stacks, a wire that can be made bad, captures with truth.

    lab.py run SCENARIO... --out DIR     run these, one folder each
    lab.py all --out DIR                 run every scenario of the first table
    lab.py faults --out DIR --hoptap P   run the second table, faults of single requests, and judge hoptap P by it
    lab.py demo --out DIR                make the small sets that tests/pcaps/lab keeps
    lab.py list                          name the scenarios
    lab.py up | down                     a lab to play with; `up` prints how to enter it
    lab.py wire COMMAND...               change the wire of that lab (see wire.cpp)

Exit codes: 0 all went well, 1 something broke, 77 this machine cannot run the lab.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import captures
import fault_scenarios
import pcapfile
import scenarios
import services
import topology
import traffic
import verify

SKIPPED = 77
RUNS_MAX = 3    # of a scenario, until the machine was calm
SCENARIOS = scenarios.SCENARIOS | fault_scenarios.FAULTS
HOLDER_FILE = topology.RUN_ROOT / "holder"
NODE_B_CLOCK = ("node-b-eth0", "node-b-veth", "pod-b")  # points that share node-b's clock


def set_wire(lab: topology.Lab, phase: scenarios.Phase) -> dict:
    """Makes the wire behave as `phase` says; returns the record of it for scenario.json."""
    starts_ns = [lab.wire(f"{side} {delay_us} {loss} {duplicates}")
                 for side, (delay_us, loss, duplicates) in (("ab", phase.ab), ("ba", phase.ba))]
    names = ("delay_us", "loss_percent", "duplicate_percent")
    return {"name": phase.name, "start_ns": max(starts_ns), "end_ns": 0,
            "ab": dict(zip(names, phase.ab)), "ba": dict(zip(names, phase.ba))}


def plan_traffic(lab: topology.Lab, scenario: scenarios.Scenario) -> traffic.Traffic:
    """The clients of a scenario, ready to start."""
    role = "client" if scenario.path == "nodeport" else "pod-a"
    clients = traffic.Traffic(lab, role, scenario.path, scenario.rate_per_s)
    plan = traffic.Plan(scenario.name)
    for number in range(scenario.clients):
        clients.add(*plan_client(clients, plan, scenario, number))
    if scenario.dns:
        clients.add(clients.dig, plan.dns(scenario.dns), scenario.traffic_s)
    return clients


def plan_client(clients: traffic.Traffic, plan: traffic.Plan, scenario: scenarios.Scenario, number: int) -> tuple:
    """One client of a scenario: which, its requests, its port and what else it needs."""
    count, path = scenario.per_client, scenario.path
    every = scenario.fault.every if scenario.fault else 3
    if scenario.workload == "slow":
        return clients.curl, plan.slow(count, every, scenario.slow_ms), traffic.SLOW_PORT[path]
    if scenario.workload == "reset":
        return clients.plain, plan.slow(count, every, 1, "reset"), traffic.SLOW_PORT[path], 0
    if scenario.workload == "unread-request":
        requests = plan.slow(count, every, scenario.unread_ms, "pause", traffic.UNREAD_BYTES)
        return clients.plain, requests, traffic.BODY_PORT[path], 0
    if scenario.workload == "unread-response":
        requests = plan.unread(count, every, scenario.unread_ms)
        return clients.plain, requests, traffic.HTTP_PORT[path], traffic.SMALL_BUFFER_BYTES
    if scenario.workload == "nagle":
        return clients.nagle, plan.nagle(count), traffic.HTTP_PORT[path]
    if scenario.workload == "plain":
        return clients.plain, plan.mixed(count, small=True), traffic.HTTP_PORT[path], 0
    requests = plan.mixed(count, small=scenario.workload == "small")
    if scenario.megabytes and number < 2:
        requests[count // 2] = plan.get("1M") if number == 0 else plan.post(1_000_000)
    return clients.curl, requests, traffic.HTTP_PORT[path]


def drive(lab: topology.Lab, scenario: scenarios.Scenario, clients: traffic.Traffic) -> tuple[list, list]:
    """Runs the clients through the phases. Returns (requests, phases as they really were)."""
    phases = [set_wire(lab, scenario.phases[0])]
    if scenario.fault and scenario.fault.wire:
        lab.wire(f"every {scenario.fault.every} {scenario.fault.wire}")
    losses = [threading.Timer(after_s, lab.wire, (f"lose {side} {count}",)) for after_s, side, count in scenario.lose]
    clients.start()
    for timer in losses:
        timer.start()
    try:
        for current, following in zip(scenario.phases, scenario.phases[1:]):
            time.sleep(current.seconds)
            phases.append(set_wire(lab, following))
            phases[-2]["end_ns"] = phases[-1]["start_ns"]
        requests = clients.join()
    finally:
        for timer in losses:
            timer.cancel()
    phases[-1]["end_ns"] = lab.wire("both 0 0 0")
    lab.wire("every 0")
    return requests, phases


def write_truth(folder: pathlib.Path, requests: list, server_rows: list[dict]) -> None:
    traffic.write_jsonl(folder / "truth" / "requests.jsonl", [dataclasses.asdict(request) for request in requests])
    traffic.write_jsonl(folder / "truth" / "server.jsonl", server_rows)


def describe(scenario: scenarios.Scenario, points: tuple[str, ...], phases: list, counters: dict,
             requests: list[traffic.Request]) -> dict:
    """What scenario.json holds."""
    described = {
        "name": scenario.name, "what": scenario.what, "path": scenario.path, "workload": scenario.workload,
        "points": list(points), "expected": scenario.expected, "phases": phases, "id_prefix": scenario.name,
        "clock_shift_ns": {}, "tcpdump": counters,
    }
    if scenario.workload == "slow":
        described["server_sleep_ms"] = scenario.slow_ms
    if scenario.fault:
        struck = [request.id for request in requests if traffic.number_of(request.id) % scenario.fault.every == 0]
        described["fault"] = dataclasses.asdict(scenario.fault) | {"requests": sorted(struck)}
    return described


def run_scenario(lab: topology.Lab, servers: services.Services, scenario: scenarios.Scenario,
                 out: pathlib.Path) -> None:
    """Traffic, captures and truth of one scenario, into the folder `out`."""
    points = scenario.points or captures.PATHS[scenario.path]
    shutil.rmtree(out, ignore_errors=True)
    (out / "truth").mkdir(parents=True)
    lab.wire("both 0 0 0")
    clients = plan_traffic(lab, scenario)
    taken = captures.Captures(lab, out / "captures", points)
    taken.start()
    lab.wire(f"dump {lab.folder}/before.log")  # whatever the wire carried earlier is not ours
    requests, phases = drive(lab, scenario, clients)
    counters = taken.stop()
    lab.wire(f"dump {out.resolve()}/truth/wire.log")
    write_truth(out, requests, servers.truth(scenario.name, phases[0]["start_ns"]))
    text = json.dumps(describe(scenario, points, phases, counters, requests), indent=2)
    (out / "scenario.json").write_text(text + "\n")


def derive(scenario: scenarios.Scenario, source: pathlib.Path, out: pathlib.Path) -> None:
    """A scenario that is another one's traffic, seen by a node-b whose clock is wrong."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(source / "truth", out / "truth")
    (out / "captures").mkdir()
    described = json.loads((source / "scenario.json").read_text())
    shift_ns = scenario.shift_ms * 10**6
    for point in described["points"]:
        name = captures.file_name(point)
        if point in NODE_B_CLOCK:
            pcapfile.shift(source / "captures" / name, out / "captures" / name, shift_ns)
        else:
            shutil.copy2(source / "captures" / name, out / "captures" / name)
    described |= {"name": scenario.name, "what": scenario.what, "expected": scenario.expected,
                  "clock_shift_ns": {point: shift_ns for point in NODE_B_CLOCK}}
    (out / "scenario.json").write_text(json.dumps(described, indent=2) + "\n")


def run_all(names: list[str], out: pathlib.Path, tools: str | None, seed: int) -> int:
    """Runs the named scenarios in one lab; returns how many were not sound."""
    wanted = [SCENARIOS[name] for name in names]
    needed = dict.fromkeys(scenario.derived_from or scenario.name for scenario in wanted)
    broken = 0
    with topology.Lab.open(topology.build_programs(tools), seed) as lab:
        servers = services.Services(lab)
        for name in needed:
            for _ in range(RUNS_MAX):
                began = time.monotonic()
                run_scenario(lab, servers, SCENARIOS[name], out / name)
                wall_s = time.monotonic() - began
                report = verify.verify(out / name)
                print(f"{report.line()}  {wall_s:.1f} s", flush=True)
                if not report.sound or report.calm:
                    break
            broken += not report.sound
    for scenario in wanted:
        if scenario.derived_from:
            derive(scenario, out / scenario.derived_from, out / scenario.name)
            print(f"{scenario.name}: made from {scenario.derived_from}")
    return broken


def make_small(out: pathlib.Path, tools: str | None, seed: int) -> int:
    """The small sets of tests/pcaps/lab. Their wire logs keep only frames that carry data."""
    broken = 0
    with topology.Lab.open(topology.build_programs(tools), seed) as lab:
        servers = services.Services(lab)
        for name, scenario in scenarios.SMALL.items():
            run_scenario(lab, servers, scenario, out / name)
            report = verify.verify(out / name)
            print(report.line(), flush=True)
            broken += not report.sound
            verify.keep_data_frames(out / name / "truth" / "wire.log")
    return broken


def hold(tools: str | None, seed: int) -> None:
    """Keeps a lab until it is told to end: the process behind `up`."""
    with topology.Lab.open(topology.build_programs(tools), seed) as lab:
        services.Services(lab)
        print(lab.prefix, flush=True)
        while True:
            signal.pause()


def held_pid() -> int:
    """The process of a lab that is up, or 0."""
    pid, start = (HOLDER_FILE.read_text().split() + ["", ""])[:2] if HOLDER_FILE.exists() else ("", "")
    return int(pid) if pid and topology.process_start(int(pid)) == start else 0


def up(tools: str | None, seed: int) -> int:
    """Starts a process that holds a lab, and says how to enter it."""
    if held_pid():
        print("a lab is up already: lab.py down ends it")
        return 1
    command = [sys.executable, __file__, "hold", "--seed", str(seed)] + (["--tools", tools] if tools else [])
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    prefix = child.stdout.readline().strip()
    if not prefix:
        return child.wait()
    HOLDER_FILE.write_text(f"{child.pid} {topology.process_start(child.pid)}\n")
    print(f"up. Try: ip netns exec {prefix}pod-a curl http://{topology.SERVICE['cluster']}/f/1k\n"
          "     lab.py wire ab 23000 0 0      (23 ms from A to B, no loss, no duplicates)")
    return 0


def down() -> int:
    """Ends the lab of `up`, and removes what dead labs left behind."""
    pid = held_pid()
    if pid:
        os.kill(pid, signal.SIGTERM)
        while topology.process_start(pid):
            time.sleep(0.05)
    HOLDER_FILE.unlink(missing_ok=True)
    topology.clean_leftovers()
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "all", "faults", "demo", "list", "up", "down", "wire", "hold"))
    parser.add_argument("names", nargs="*", help="scenarios, or a command for the wire")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/lab"), help="default build/lab")
    parser.add_argument("--tools", help="folder with hoptap-lab-wire and hoptap-lab-ipip (else built here)")
    parser.add_argument("--hoptap", help="faults: hold this program's answers against the truth afterwards")
    parser.add_argument("--seed", type=int, default=1, help="of the wire's random choices")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if chosen.what == "run" and name not in SCENARIOS]
    if unknown or (chosen.what == "run" and not chosen.names):
        parser.error("scenarios are: " + " ".join(SCENARIOS))
    return chosen


def act(chosen: argparse.Namespace) -> int:
    if chosen.what == "list":
        for group, table in (("all", scenarios.SCENARIOS), ("faults", fault_scenarios.FAULTS)):
            print(f"{group}:")
            for scenario in table.values():
                print(f"  {scenario.name:17} {scenario.what}")
        return 0
    topology.check_requirements()
    groups = {"run": chosen.names, "all": list(scenarios.SCENARIOS), "faults": list(fault_scenarios.FAULTS)}
    if chosen.what in groups:
        if run_all(groups[chosen.what], chosen.out, chosen.tools, chosen.seed):
            return 1
        if chosen.what == "faults" and chosen.hoptap:
            evaluator = topology.HERE / "evaluate_faults.py"
            return subprocess.run([sys.executable, evaluator, chosen.out, "--hoptap", chosen.hoptap]).returncode
    if chosen.what == "demo":
        return 1 if make_small(chosen.out, chosen.tools, chosen.seed) else 0
    if chosen.what == "wire":
        print(topology.wire_command(topology.RUN_ROOT / str(held_pid()), " ".join(chosen.names)))
    if chosen.what == "hold":
        hold(chosen.tools, chosen.seed)
    if chosen.what == "up":
        return up(chosen.tools, chosen.seed)
    if chosen.what == "down":
        return down()
    return 0


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits "ignore"
    try:
        sys.exit(act(arguments()))
    except topology.CannotRun as reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    except topology.LabError as error:
        print(f"failed: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
