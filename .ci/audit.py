"""The installed packages -> known vulnerabilities that a newer version mends: exit code 1 if any.

The list is that of pypi.org. Where it cannot be reached, or answers too slowly, a line says that
the check is skipped, and the exit code is 0.
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

PROBE = "https://pypi.org/pypi/pip/json"
PROBE_S, AUDIT_S = 10, 120


def main() -> int:
    """Audit, or say why not."""
    reason = _unreachable()
    if reason:
        return _skip(f"{PROBE} cannot be read ({reason})")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = f"--local --skip-editable --timeout {PROBE_S} --progress-spinner off -f json -o"
        command = [sys.executable, "-m", "pip_audit", *options.split(), str(report)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_S)
        except subprocess.TimeoutExpired:
            return _skip(f"no answer within {AUDIT_S} s")
        if not report.is_file():
            return _skip((run.stderr.strip().splitlines() or ["no report"])[-1][:200])
        packages = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    known = [one for one in packages if "vulns" in one]
    if not known:
        return _skip(f"{PROBE.rpartition('/pip/')[0]} knows none of {len(packages)} packages")
    found = [(one, vuln) for one in known for vuln in one["vulns"]]
    for package, vulnerability in found:
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}")
    print(f"audit: {len(found)} vulnerabilities in {len(known)} of {len(packages)} packages")
    return int(any(vulnerability["fix_versions"] for _, vulnerability in found))


def _unreachable() -> str:
    """Why the list cannot be read; empty if it can."""
    try:
        with urllib.request.urlopen(PROBE, timeout=PROBE_S) as answer:
            content = json.load(answer)
    except (OSError, ValueError) as error:
        return str(error)
    return "" if "vulnerabilities" in content else "it holds no vulnerabilities"


def _skip(reason: str) -> int:
    print(f"audit: SKIPPED: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
