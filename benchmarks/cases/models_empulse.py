"""EMPC by `empulse`, run by the Python of an environment that has it: `models_empulse.py FILE`."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from empulse.metrics import empc_score

TERMS = {"alpha": 6, "beta": 14, "clv": 200, "incentive_cost": 10, "contact_cost": 1}


def main() -> None:
    """Print the version and the measure of every score in the file as JSON."""
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    y = np.asarray(given["y"])
    found = {
        name: float(empc_score(y, np.asarray(p), **TERMS)) for name, p in given["scores"].items()
    }
    print(json.dumps({"version": version("empulse"), "empc": found}))


if __name__ == "__main__":
    main()
