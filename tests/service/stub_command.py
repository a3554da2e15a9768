"""Stands in for a command of hectares: takes finished files from a folder, says how far it is, and ends as it is told.

    python stub_command.py MADE predict RUN SCENE results/ID/map.tif ...

What it does hangs on the name of the scene: slow, bad, crash, orphan, greedy, family, problem, or anything else for
one that works.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TextIO


def say(text: str, stream: TextIO = sys.stdout) -> None:
    """Write a line at once."""
    stream.write(f"{text}\n")
    stream.flush()


def main() -> int:
    """Do as the command would."""
    made, verb, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    target = Path([w for w in words if w.startswith("results/")][-1])
    text = " ".join(words)
    assert {"--json", "--overwrite"} <= set(words)

    def stop(_number: int, _frame: FrameType | None) -> None:
        say(json.dumps({"message": "stopped", "exit_code": 6}))
        sys.exit(6)

    signal.signal(signal.SIGTERM, stop)
    for done in range(1, 5):
        say(json.dumps({"stage": "predicting", "done": done, "total": 4, "note": ""}), sys.stderr)
    if verb == "predict" and "slow" in text and not (target.parent / "go-on").exists():
        (target.parent / "go-on").touch()  # the next time it does not wait
        time.sleep(60)
    if verb == "predict" and "bad" in text:
        say(json.dumps({"message": f"{Path.cwd()}/scenes/bad.tif: has 1 band; take another scene"}))
        return 4
    if verb == "predict" and "greedy" in text:
        held = b"x" * 700_000_000
        time.sleep(60)
        say(str(len(held)))
    if verb == "predict" and "family" in text:  # what one it has started takes, and nothing by itself
        subprocess.run([sys.executable, "-c", "held = b'x' * 700_000_000; import time; time.sleep(60)"], check=False)
    if verb == "predict" and "orphan" in text:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    if verb == "predict" and ("crash" in text or "orphan" in text):
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "predict" and "fault" in text:
        say("Traceback (most recent call last): ...", sys.stderr)
        return 1
    for file in made.iterdir():
        if file.name.split(".")[0] == target.stem:
            shutil.copy(file, target.parent / file.name)
    problem = {"where": "scene.tif", "what": "2 blocks cannot be read", "remedy": "they are nodata"}
    found = [problem] if "problem" in text and verb == "predict" else []
    say(json.dumps({"problems": found, "result": {}}))
    return 3 if found else 0


if __name__ == "__main__":
    sys.exit(main())
