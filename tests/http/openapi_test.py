#!/usr/bin/env python3
"""Asks a real server for everything in docs/openapi.yaml and checks the answers against it, both ways.

usage: openapi_test.py SERVE_DEMO OPENAPI.yaml
"""
import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import yaml


def schema_for_json(node):
    """OpenAPI 3.0 says nullable where JSON Schema has a list of types."""
    if isinstance(node, dict):
        out = {key: schema_for_json(value) for key, value in node.items() if key not in ("example", "nullable")}
        if node.get("nullable"):
            out["type"] = [node["type"], "null"]
        return out
    return [schema_for_json(item) for item in node] if isinstance(node, list) else node


class Api:
    def __init__(self, base, text):
        self.base = base
        self.document = yaml.safe_load(text)
        self.components = schema_for_json(self.document["components"])
        self.complaints = []
        self.checked = 0

    def complain(self, what):
        self.complaints.append(what)

    def resolve(self, node):
        while "$ref" in node:
            where = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                where = where[step]
            node = where
        return node

    def get(self, target, accept="*/*", method="GET"):
        request = urllib.request.Request(self.base + target, headers={"Accept": accept}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def check(self, path, target, accept="*/*", want=None):
        """One answer: status, type and body must be in the file."""
        self.checked += 1
        status, headers, body = self.get(target, accept)
        if want is not None and status != want:
            self.complain(f"{target}: {status}, not {want}: {body[:200]}")
        responses = self.document["paths"][path]["get"]["responses"]
        if str(status) not in responses:
            return self.complain(f"{target}: status {status} is not in the file")
        content = self.resolve(responses[str(status)])["content"]
        kind = headers["Content-Type"].split(";")[0]
        if kind not in content:
            return self.complain(f"{target}: type {kind} is not in the file")
        objects = [json.loads(body)] if kind == "application/json" else []
        if kind == "application/x-ndjson":
            objects = [json.loads(line) for line in body.splitlines()]
        schema = dict(schema_for_json(content[kind]["schema"]), components=self.components)
        for value in objects:
            for error in jsonschema.Draft7Validator(schema).iter_errors(value):
                self.complain(f"{target}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")
        return objects

    def check_path(self, path, template):
        operation = self.document["paths"][path]["get"]
        parameters = [self.resolve(parameter) for parameter in operation.get("parameters", [])]
        queries = {p["name"]: str(p["example"]) for p in parameters if p["in"] == "query"}
        kinds = self.resolve(operation["responses"]["200"])["content"]
        self.check(path, template, want=200)
        for kind in kinds:
            status, headers, _ = self.get(template, kind)
            if status == 200 and headers["Content-Type"].split(";")[0] != kind:
                self.complain(f"{template}: Accept: {kind} gives {headers['Content-Type']}")
            self.check(path, template, accept=kind, want=200)
        for name, example in queries.items():
            self.check(path, f"{template}?{name}={urllib.parse.quote(example)}", want=200)
            self.check(path, f"{template}?{name}=", want=400)
            self.check(path, f"{template}?{name}={urllib.parse.quote(example)}&{name}=x", want=400)
        if queries:
            self.check(path, template + "?" + urllib.parse.urlencode(queries), want=200)
        self.check(path, template + "?no_such_parameter=1", want=400)
        # The server names the parameters it knows when it refuses one: they must be those of the file.
        message = json.loads(self.get(template + "?no_such_parameter=1")[2])["error"]["message"]
        served = set(message.split("there are ")[1].split(", ")) if "there are " in message else set()
        if served != set(queries):
            self.complain(f"{path}: served parameters {sorted(served)}, in the file {sorted(queries)}")
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            if self.get(template, method=method)[0] != 405:
                self.complain(f"{template}: {method} is not refused")


def check_all(api):
    first = api.check("/api/v1/traces", "/api/v1/traces?limit=1", want=200)[0]["traces"][0]
    for path in api.document["paths"]:
        api.check_path(path, path.replace("{id}", first["id"]))
    # Pages: every trace once.
    seen, cursor = [], ""
    while cursor is not None:
        page = api.check("/api/v1/traces", "/api/v1/traces?limit=7" + (f"&cursor={cursor}" if cursor else ""), want=200)[0]
        seen += [trace["id"] for trace in page["traces"]]
        cursor = page["next"]
    everything = api.check("/api/v1/traces", "/api/v1/traces?limit=1000", want=200)[0]["traces"]
    if seen != [trace["id"] for trace in everything] or len(set(seen)) != len(seen):
        api.complain("pages do not add up to the whole list")
    for trace in everything:
        alone = api.check("/api/v1/traces/{id}", "/api/v1/traces/" + trace["id"], want=200)[0]
        if alone != trace:
            api.complain(f"{trace['id']}: alone it is not what the list says")
    for wrong in ("status=abc", "limit=0", "limit=1001", "verdict=odd", "slow_segment=a", "min_duration=5", "cursor=1",
                  "from=yesterday", "to=-5", "format=xml"):
        api.check("/api/v1/traces", "/api/v1/traces?" + wrong, want=400)
    api.check("/api/v1/traces/{id}", "/api/v1/traces/0000000000000001", want=404)
    api.check("/api/v1/traces/{id}", "/api/v1/traces/xyz", want=400)
    for nowhere in ("/", "/api", "/api/v1", "/api/v1/traces/", "/api/v2/traces", "/api/v1/traces/a/b", "/healthz/"):
        status, _, body = api.get(nowhere)
        if status != 404 or "error" not in json.loads(body):
            api.complain(f"{nowhere}: {status}, not 404 in JSON")


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        text = file.read()
    server = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        api = Api(server.stdout.readline().strip(), text)
        if api.get("/openapi.yaml")[2] != text:
            api.complain("/openapi.yaml is not the file")
        check_all(api)
    finally:
        server.stdin.close()
        server.wait(60)
    print("\n".join(api.complaints[:40]) or f"openapi: {api.checked} answers are as the file says")
    return 1 if api.complaints or api.checked < 200 or server.returncode != 0 else 0


sys.exit(main())
