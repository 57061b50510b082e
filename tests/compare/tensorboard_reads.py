"""Reads a run's TensorBoard files with TensorBoard and compares them with its log.jsonl.

    pip install tensorboard
    python tests/compare/tensorboard_reads.py RUN

Prints one line per curve and exits 1 if a point is missing, doubled or of another value.
"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

run = pathlib.Path(sys.argv[1])
accumulator = EventAccumulator(str(run), size_guidance={SCALARS: 0})
accumulator.Reload()
expected = {}
for line in (run / "log.jsonl").read_text().splitlines():
    report = json.loads(line)
    group = report.get("split", "train")
    for field, value in report.items():
        if field != "step" and isinstance(value, (int, float)) and not isinstance(value, bool):
            expected.setdefault(f"{group}/{field}", {})[report["step"]] = value
bad = 0
for tag, points in sorted(expected.items()):
    found = [(event.step, event.value) for event in accumulator.Scalars(tag)]
    steps = [step for step, _ in found]
    same = steps == sorted(points) and all(abs(v - points[s]) <= 1e-6 * max(1, abs(points[s])) for s, v in found)
    bad += not same
    print(f"{tag}: {len(found)} points {'equal' if same else 'DIFFER'}")
missing = set(accumulator.Tags()["scalars"]) ^ set(expected)
print("curves in one only:", sorted(missing) or "none")
sys.exit(bool(bad or missing))
