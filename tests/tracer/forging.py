"""Captures of five points with lost copies and a slow server: the forge's example with another amount of traffic."""

import json
import subprocess

import yaml  # Debian: python3-yaml

import daemons


def forge(hoptap, folder, name, **traffic):
    """@return (capture, point) of each, see daemons.points_of()"""
    example = subprocess.run([hoptap, "forge", "--example"], stdout=subprocess.PIPE, check=True).stdout
    scenario = yaml.safe_load(example)
    scenario["name"] = name
    scenario["traffic"].update(traffic)
    (folder / f"{name}.yaml").write_text(json.dumps(scenario))
    subprocess.run([hoptap, "forge", folder / f"{name}.yaml", "--out", folder / name], check=True,
                   stdout=subprocess.DEVNULL)
    return daemons.points_of(folder / name / "captures")
