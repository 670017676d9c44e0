#!/usr/bin/env python3
"""count-tests.py TESTLOG.json LABEL: prints a line for each test, the output of failures, and last "passed failed skipped"."""
import json
import sys

passed = failed = skipped = 0
for line in open(sys.argv[1]):
    t = json.loads(line)
    name, result = sys.argv[2] + t["name"], t["result"]
    seconds = f'{t["duration"]:.1f} s'
    out = (t.get("stdout") or "") + (t.get("stderr") or "")
    if result in ("OK", "EXPECTEDFAIL"):
        passed += 1
        print(f"ok      {name} ({seconds})")
    elif result == "SKIP":
        skipped += 1
        reason = out.strip().splitlines()[-1] if out.strip() else "no reason given"
        print(f"skip    {name}: {reason}")
    else:
        failed += 1
        print(f"FAILED  {name} ({result}, {seconds})")
        print("\n".join(out.splitlines()[-80:]))
print(passed, failed, skipped)
