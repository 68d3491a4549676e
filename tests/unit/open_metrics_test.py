#!/usr/bin/env python3
"""The golden expositions are read by Prometheus' own Python parser and by promtool, as far as they are installed."""
import pathlib
import shutil
import subprocess
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # where Debian's python3-prometheus-client is, whichever python runs
GOLDEN = pathlib.Path(__file__).parent / "golden"


def families_of(parser, file):
    families = list(parser((GOLDEN / file).read_text()))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a family comes twice"
    return {family.name: family for family in families}


def check_with_python():
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
        from prometheus_client.parser import text_string_to_metric_families as read_text
    except ImportError:
        print("skipped: python3-prometheus-client is not installed")
        return
    open_families = families_of(read_open, "metrics.openmetrics.txt")
    text_families = families_of(read_text, "metrics.prometheus.txt")
    for name, family in open_families.items():
        assert family.documentation, name
        if family.unit:
            assert name.endswith("_" + family.unit), name
        same = text_families[name]
        assert [(s.name, s.labels, s.value) for s in family.samples] == [(s.name, s.labels, s.value) for s in same.samples], name
    assert len(open_families) == len(text_families)
    requests = sum(s.value for s in open_families["hoptap_requests"].samples)
    assert requests == 10, requests
    points = {s.labels["point"] for s in open_families["hoptap_packets"].samples}
    assert 'odd "\\\n\ufffd? name' in points, points
    print(f"prometheus_client reads {len(open_families)} families in both formats")


def check_with_promtool():
    promtool = shutil.which("promtool")
    if not promtool:
        print("skipped: promtool (package prometheus) is not installed")
        return
    checked = subprocess.run([promtool, "check", "metrics"], input=(GOLDEN / "metrics.prometheus.txt").read_bytes(),
                             capture_output=True, check=False)
    words = (checked.stdout + checked.stderr).decode()
    assert checked.returncode == 0, words
    print("promtool has no complaint", words)


check_with_python()
check_with_promtool()
