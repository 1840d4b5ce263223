"""The installed packages -> known vulnerabilities that a newer version mends: exit code 1 if any.

The list is that of the OSV database. Where it cannot be reached, or answers too slowly, a line says
that the check is skipped, and the exit code is 0.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ANSWER_S, AUDIT_S = 10, 60


def main() -> int:
    """Audit, or say why not."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = f"-s osv --local --skip-editable --timeout {ANSWER_S} --progress-spinner off"
        out = ("-f", "json", "-o", str(report))
        command = [sys.executable, "-m", "pip_audit", *options.split(), *out]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_S)
        except subprocess.TimeoutExpired:
            return _skip(f"no answer within {AUDIT_S} s")
        if not report.is_file():
            return _skip((run.stderr.strip().splitlines() or ["no report"])[-1][:200])
        packages = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    known = [one for one in packages if "vulns" in one]
    if not known:
        return _skip(f"the database knows none of {len(packages)} packages")
    found = [(one, vuln) for one in known for vuln in one["vulns"]]
    for package, vulnerability in found:
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}")
    print(f"audit: {len(found)} vulnerabilities in {len(known)} of {len(packages)} packages")
    return int(any(vulnerability["fix_versions"] for _, vulnerability in found))


def _skip(reason: str) -> int:
    print(f"audit: SKIPPED: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
